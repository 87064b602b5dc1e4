import { badInput } from '../../../errors.js';
import type { InputRange } from '../../core/index.js';

export const DEPLOYMENT_DEADLINE_MS = { min: 1, max: 600_000, unit: 'milliseconds' } satisfies InputRange;
export const CONCURRENCY = { min: 1, max: 10_000, unit: 'requests' } satisfies InputRange;
export const QUEUE_ROWS = { min: 0, max: 1_000_000, unit: 'rows' } satisfies InputRange;
export const QUEUE_TIMEOUT_MS = { min: 1, max: 600_000, unit: 'milliseconds' } satisfies InputRange;
export const WARM_UP_ROWS = { min: 1, max: 1_000, unit: 'rows' } satisfies InputRange;

/** What a deployment allows; each limit holds in every process that serves. Absent: no limit of its own. */
export interface DeploymentLimits {
  /** A prediction may take so long, if the caller and the service allow as much. */
  deadlineMs?: number;
  /** Requests that run at the same time; others wait. */
  concurrency?: number;
  /** Rows that may wait. */
  queueRows?: number;
  /** A request waits no longer than this. */
  queueTimeoutMs?: number;
}

export type GivenLimits = { [Name in keyof DeploymentLimits]: DeploymentLimits[Name] | null };

/** Null without any limit. BAD_USER_INPUT for a queue that nothing could fill. */
export function readLimits(given: GivenLimits | null | undefined, field: string): DeploymentLimits | null {
  const limits = Object.fromEntries(
    Object.entries(given ?? {}).filter(([, value]) => value != null),
  ) as DeploymentLimits;
  if (limits.concurrency == null)
    for (const name of ['queueRows', 'queueTimeoutMs'] as const)
      if (limits[name] != null)
        throw badInput(`${field}.${name}`, 'a queue only together with concurrency', limits[name]);
  return Object.keys(limits).length > 0 ? limits : null;
}
