import { RUNTIME_KINDS, type RuntimeName } from '../../inference/port.js';
import type { InputRange } from '../core/index.js';

export const SLA_LATENCY_MS = { above: 0, max: 600_000, unit: 'milliseconds' } satisfies InputRange;
export const SLA_ERROR_RATE = { above: 0, max: 1 } satisfies InputRange;

/** What a deployment promises. */
export interface Sla {
  /** 95 % of the requests are answered within this time; of a language model, have their first token. */
  latencyP95Ms: number;
  /** Fraction of the requests that may fail. */
  maxErrorRate: number;
}

/** What was declared of it. */
export type DeclaredSla = { [Name in keyof Sla]?: Sla[Name] | null };

/** The SLA that holds: that of the deployment, then the latency of its endpoint, then the platform's. */
export function slaOf(
  { runtime, sla }: { runtime: RuntimeName; sla?: DeclaredSla | null },
  endpoint: { slaLatencyP95Ms?: number | null },
): Sla {
  const { defaultSla } = RUNTIME_KINDS[runtime];
  return {
    latencyP95Ms: sla?.latencyP95Ms ?? endpoint.slaLatencyP95Ms ?? defaultSla.latencyP95Ms,
    maxErrorRate: sla?.maxErrorRate ?? defaultSla.errorRate,
  };
}

/** Minutes over which `sla` shows what was measured. */
export const SLA_WINDOW_MINUTES = 15;
/** With fewer requests nothing is said. */
export const SLA_MIN_REQUESTS = 50;
