import { badInput } from '../../../errors.js';
import type { InputRange } from '../../core/index.js';
import type { ModelScaling } from '../../model-contract/index.js';

export const MIN_REPLICAS = { min: 0, max: 64, unit: 'replicas' } satisfies InputRange;
export const MAX_REPLICAS = { min: 1, max: 64, unit: 'replicas' } satisfies InputRange;
export const THREADS = { min: 1, max: 64, unit: 'threads' } satisfies InputRange;
export const SCALE_TO_ZERO_MS = { min: 1_000, max: 86_400_000, unit: 'milliseconds' } satisfies InputRange;

export type GivenScaling = { [Name in keyof ModelScaling]: ModelScaling[Name] | null };

/** Null without any. BAD_USER_INPUT for bounds that contradict each other, and for what the runtime does not honour. */
export function readScaling(
  given: GivenScaling | null | undefined,
  { runtime, honours, field }: { runtime: string; honours: readonly (keyof ModelScaling)[]; field: string },
): ModelScaling | null {
  const scaling = ownScaling(given) ?? {};
  for (const name of Object.keys(scaling) as (keyof ModelScaling)[])
    if (!honours.includes(name))
      throw badInput(
        `${field}.${name}`,
        honours.length > 0
          ? `on the runtime ${runtime} only ${honours.join(', ')}`
          : `nothing on the runtime ${runtime}`,
        scaling[name],
      );
  const { minReplicas, maxReplicas, scaleToZeroAfterMs } = scaling;
  if (minReplicas != null && minReplicas > (maxReplicas ?? Math.max(1, minReplicas)))
    throw badInput(`${field}.minReplicas`, `at most maxReplicas (${maxReplicas})`, minReplicas);
  if (scaleToZeroAfterMs != null && minReplicas !== 0)
    throw badInput(`${field}.scaleToZeroAfterMs`, 'a time only together with minReplicas 0', scaleToZeroAfterMs);
  return ownScaling(scaling);
}

/** Without what is null; null when nothing is left. */
export function ownScaling(given: GivenScaling | null | undefined): ModelScaling | null {
  const own = Object.entries(given ?? {}).filter(([, value]) => value != null);
  return own.length > 0 ? (Object.fromEntries(own) as ModelScaling) : null;
}

/**
 * The id under which a runtime has a version. Deployments of one version share its model, unless they ask for other
 * processes.
 */
export function servedId(versionId: string, scaling: ModelScaling | null | undefined): string {
  if (!scaling) return versionId;
  const { minReplicas, maxReplicas, threads, scaleToZeroAfterMs, device } = scaling;
  const replicas = minReplicas != null || maxReplicas != null ? `r${minReplicas ?? ''}-${maxReplicas ?? ''}` : '';
  const idle = scaleToZeroAfterMs != null ? `z${scaleToZeroAfterMs}` : '';
  return `${versionId}-${replicas}${threads != null ? `t${threads}` : ''}${idle}${device === 'CUDA' ? 'cuda' : 'cpu'}`;
}
