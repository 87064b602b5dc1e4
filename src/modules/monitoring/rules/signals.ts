import type { Signal } from '../../alerts/index.js';
import { wilsonInterval } from '../../statistics/index.js';
import type { WindowComparison } from './drift-window.js';

/** The limits from which traffic counts as slow or failing. */
export interface SignalPolicy {
  latency: { minRequests: number };
  errorRate: { minRequests: number };
}

export const DEFAULT_SIGNAL_POLICY: SignalPolicy = {
  latency: { minRequests: 50 },
  errorRate: { minRequests: 50 },
};

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

export function latencySignal(
  { requests, p95Ms, slaP95Ms }: { requests: number; p95Ms: number; slaP95Ms: number },
  policy: SignalPolicy = DEFAULT_SIGNAL_POLICY,
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

/** Breached when the lower bound of the 95 % Wilson interval is above the limit, a fraction of the requests. */
export function errorRateSignal(
  { requests, errors, maxErrorRate: maxShare }: { requests: number; errors: number; maxErrorRate: number },
  policy: SignalPolicy = DEFAULT_SIGNAL_POLICY,
): Signal {
  const { minRequests } = policy.errorRate;
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

/** Breached when the predictions or a feature drifted. A window with too few rows resolves nothing. */
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
