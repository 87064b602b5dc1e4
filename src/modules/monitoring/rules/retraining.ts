import type { AlertKind } from '../../alerts/index.js';

export interface RetrainingPolicy {
  enabled: boolean;
  /** Kinds of alerts that may start a retraining. */
  alertKinds: readonly AlertKind[];
  /** The least time between the starts of two retrainings, in milliseconds. */
  cooldownMs: number;
  /** The maximum number of retrainings that start within 30 days. */
  budgetPer30Days: number;
}

export const DEFAULT_RETRAINING_POLICY: RetrainingPolicy = {
  enabled: true,
  alertKinds: ['DRIFT'],
  cooldownMs: 24 * 60 * 60 * 1000,
  budgetPer30Days: 4,
};

export interface RetrainingHistory {
  alertKind: AlertKind;
  /** When earlier retrainings of the model started, in milliseconds since 1970, including failed ones. */
  startedAtMs: readonly number[];
  /** A retraining of the model is queued or running. */
  running: boolean;
}

export interface RetrainingDecision {
  start: boolean;
  reason: string;
}

const BUDGET_PERIOD_MS = 30 * 24 * 60 * 60 * 1000;

export function decideRetraining(
  policy: RetrainingPolicy,
  history: RetrainingHistory,
  nowMs: number,
): RetrainingDecision {
  if (!policy.enabled) return refuse('The retraining policy is switched off.');
  if (!policy.alertKinds.includes(history.alertKind)) {
    return refuse(
      `The policy does not retrain on ${history.alertKind} alerts, only on ${policy.alertKinds.join(', ') || 'none'}.`,
    );
  }
  if (history.running) return refuse('A retraining of this model is under way.');
  const lastMs = Math.max(...history.startedAtMs, -Infinity);
  if (nowMs - lastMs < policy.cooldownMs) {
    return refuse(`In the cool-down until ${new Date(lastMs + policy.cooldownMs).toISOString()}.`);
  }
  const used = history.startedAtMs.filter((startedMs) => nowMs - startedMs < BUDGET_PERIOD_MS).length;
  if (used >= policy.budgetPer30Days)
    return refuse(`The budget of ${policy.budgetPer30Days} retrainings in 30 days is used up.`);
  return {
    start: true,
    reason: `${history.alertKind} alert; retraining ${used + 1} of ${policy.budgetPer30Days} in 30 days.`,
  };
}

function refuse(reason: string): RetrainingDecision {
  return { start: false, reason };
}
