import { driftSignal, errorRateSignal, latencySignal } from './signals.js';
import type { Sla } from '../../serving/index.js';
import type { Signal } from '../../alerts/index.js';
import { type ReferenceProfile, latencyPercentileMs } from '../../model-contract/index.js';
import type { TrafficWindow, WindowComparison } from './drift-window.js';

/** One logged request: its inputs by column, and the scores of its rows. */
export interface LoggedRequest {
  rows: number;
  inputs: Record<string, unknown[]>;
  scores: (number | null)[];
}

/** The requests of a deployment, by its exact counters. */
export interface TrafficCounts {
  requests: number;
  errors: number;
  /** In the buckets of latency-histogram.ts. */
  latencyCounts: number[];
}

/** The requests of a window: how many failed, and how long the slow ones took. */
export interface TrafficReport {
  /** ISO 8601, UTC. */
  from: string;
  requests: number;
  errors: number;
  latencyP95Ms: number;
}

export interface DriftReport extends WindowComparison {
  /** ISO 8601, UTC. */
  from: string;
}

/** A part is null while it has too little traffic; its traffic keeps adding up. */
export interface WindowReport {
  traffic: TrafficReport | null;
  drift: DriftReport | null;
}

/** What was counted after an earlier reading of the same counters. */
export function countedSince(now: TrafficCounts, earlier: TrafficCounts): TrafficCounts {
  return {
    requests: Math.max(0, now.requests - earlier.requests),
    errors: Math.max(0, now.errors - earlier.errors),
    latencyCounts: now.latencyCounts.map((count, bucket) => Math.max(0, count - (earlier.latencyCounts[bucket] ?? 0))),
  };
}

export function trafficReport(counts: TrafficCounts, from: string): TrafficReport {
  return {
    from,
    requests: counts.requests,
    errors: counts.errors,
    latencyP95Ms: latencyPercentileMs(counts.latencyCounts, 0.95),
  };
}

/**
 * The logged requests as the columns that the reference profile has, in the order of the log. Without features that the
 * log leaves out: nobody can tell whether they drift.
 */
export function toTrafficWindow(
  log: readonly LoggedRequest[],
  profile: ReferenceProfile,
  redactedFields: readonly string[] = [],
): TrafficWindow {
  const isLogged = (feature: string) =>
    !redactedFields.includes(feature) && log.some(({ inputs }) => Object.hasOwn(inputs, feature));
  const features = Object.entries(profile.features).filter(([feature]) => isLogged(feature));
  const columns = features.map(([feature, { kind }]) => {
    const values = log.flatMap(({ inputs, rows }) => {
      const column = Object.hasOwn(inputs, feature) ? inputs[feature]! : [];
      return Array.from({ length: rows }, (_, row) => column[row]);
    });
    return [feature, kind === 'NUMERIC' ? Float64Array.from(values, toNumber) : values.map(toCategory)] as const;
  });
  return {
    features: Object.fromEntries(columns),
    scores: Float64Array.from(
      log.flatMap(({ scores }) => scores),
      (score) => score ?? NaN,
    ),
  };
}

function toNumber(value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'number' || (typeof value === 'string' && value.trim() !== '') ? Number(value) : NaN;
}

/** For models, a missing category is an empty text. */
function toCategory(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

/** The signals of a window for each kind of alert; a part without a result gives none. */
export function windowSignals({ traffic, drift }: WindowReport, { latencyP95Ms, maxErrorRate }: Sla): Signal[] {
  const signals: Signal[] = [];
  if (drift) signals.push(driftSignal(drift));
  if (traffic) {
    const { requests, errors } = traffic;
    signals.push(latencySignal({ requests, p95Ms: traffic.latencyP95Ms, slaP95Ms: latencyP95Ms }));
    signals.push(errorRateSignal({ requests, errors, maxErrorRate }));
  }
  return signals;
}
