import type { WindowComparison } from './drift-window.js';
import { wilsonInterval } from '../statistics/intervals.js';

export const ALERT_KINDS = ['DRIFT', 'LATENCY', 'ERROR_RATE'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

export interface AlertPolicy {
  /** Clean windows in a row after which an open alert resolves. */
  resolveAfterCleanWindows: number;
  latency: { minRequests: number };
  errorRate: {
    /** Share of requests; an alert needs the lower bound of the 95 % Wilson interval above it. */
    maxShare: number;
    minRequests: number;
  };
}

export const DEFAULT_ALERT_POLICY: AlertPolicy = {
  resolveAfterCleanWindows: 2,
  latency: { minRequests: 50 },
  errorRate: { maxShare: 0.01, minRequests: 50 },
};

/** What one window says about one kind of alert. TOO_FEW neither raises nor clears. */
export interface Signal {
  kind: AlertKind;
  verdict: 'BREACHED' | 'CLEAN' | 'TOO_FEW';
  value: number;
  threshold: number;
  message: string;
}

export interface OpenAlert {
  cleanWindows: number;
}

export type AlertStep =
  | { action: 'NONE' }
  | { action: 'OPEN' }
  /** Breached again: value and message are brought up to date. */
  | { action: 'UPDATE'; cleanWindows: 0 }
  /** A clean window, not yet enough of them. */
  | { action: 'WAIT'; cleanWindows: number }
  | { action: 'RESOLVE'; cleanWindows: number };

/** At most one alert is open per deployment and kind: `open` is it, or null. */
export function advanceAlert(
  open: OpenAlert | null,
  signal: Signal,
  policy: AlertPolicy = DEFAULT_ALERT_POLICY,
): AlertStep {
  switch (signal.verdict) {
    case 'TOO_FEW':
      return { action: 'NONE' };
    case 'BREACHED':
      return open === null ? { action: 'OPEN' } : { action: 'UPDATE', cleanWindows: 0 };
    case 'CLEAN': {
      if (open === null) return { action: 'NONE' };
      const cleanWindows = open.cleanWindows + 1;
      return { action: cleanWindows >= policy.resolveAfterCleanWindows ? 'RESOLVE' : 'WAIT', cleanWindows };
    }
  }
}

export function latencySignal(
  { requests, p95Ms, slaP95Ms }: { requests: number; p95Ms: number; slaP95Ms: number },
  policy: AlertPolicy = DEFAULT_ALERT_POLICY,
): Signal {
  const few = requests < policy.latency.minRequests;
  return {
    kind: 'LATENCY',
    verdict: few ? 'TOO_FEW' : p95Ms > slaP95Ms ? 'BREACHED' : 'CLEAN',
    value: p95Ms,
    threshold: slaP95Ms,
    message: `p95 latency ${p95Ms.toFixed(1)} ms over ${requests} requests, SLA ${slaP95Ms} ms.`,
  };
}

export function errorRateSignal(
  { requests, errors }: { requests: number; errors: number },
  policy: AlertPolicy = DEFAULT_ALERT_POLICY,
): Signal {
  const { maxShare, minRequests } = policy.errorRate;
  const { low } = wilsonInterval(errors, requests);
  const share = requests > 0 ? errors / requests : 0;
  return {
    kind: 'ERROR_RATE',
    verdict: requests < minRequests ? 'TOO_FEW' : low > maxShare ? 'BREACHED' : 'CLEAN',
    value: share,
    threshold: maxShare,
    message:
      `${errors} of ${requests} requests failed ` +
      `(${percent(share)}, at least ${percent(low)} with 95 % confidence), limit ${percent(maxShare)}.`,
  };
}

/** Breached when the predictions or any feature drifted. A window of too few rows clears nothing. */
export function driftSignal(comparison: WindowComparison): Signal {
  const drifted = comparison.features.filter((feature) => feature.drifted);
  const { prediction } = comparison;
  const few = comparison.rows < comparison.thresholds.minRows;
  const breached = drifted.length > 0 || prediction.drifted;
  const parts = drifted.map((feature) => `${feature.feature} (PSI ${feature.psi.toFixed(2)})`);
  if (prediction.drifted) parts.unshift(`predictions (${prediction.sigmas.toFixed(1)} standard deviations)`);
  const strongest = drifted.reduce((highest, feature) => Math.max(highest, feature.psi), 0);
  return {
    kind: 'DRIFT',
    verdict: breached ? 'BREACHED' : few ? 'TOO_FEW' : 'CLEAN',
    value: prediction.drifted || drifted.length === 0 ? Math.abs(prediction.sigmas) : strongest,
    threshold:
      prediction.drifted || drifted.length === 0 ? comparison.thresholds.predictionSigmas : comparison.thresholds.psi,
    message: breached ? `Drift in ${parts.join(', ')}.` : `No drift over ${comparison.rows} rows.`,
  };
}

/**
 * Nearest-rank percentile of values in ascending order: the smallest with at least `share` of the values at or below
 * it; 0 for none.
 */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
