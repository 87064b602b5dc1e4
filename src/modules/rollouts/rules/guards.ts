import { LATENCY_EDGES_MS, latencyPercentileMs } from '../../model-contract/index.js';
import type { DeploymentCounts } from '../../serving/index.js';
import { binomialSequence, percentileSequence } from '../../statistics/index.js';

/** A metric of the canary that may not be worse than that of the control by more than `maxIncrease`. */
export interface CanaryGuard {
  kind: 'ERROR_RATE' | 'LATENCY_P95' | 'WRONG_ANSWERS';
  /** How much larger the share may be, 0 to 1; for LATENCY_P95 how much longer, as a fraction. */
  maxIncrease: number;
}

/** What is known of a metric of one variant; the interval holds at all times together. */
export interface CanaryEstimate {
  /** Null without requests. */
  value: number | null;
  low: number;
  /** Null when nothing limits it yet. */
  high: number | null;
}

export interface GuardJudgement extends CanaryGuard {
  verdict: 'PASS' | 'FAIL' | 'INCONCLUSIVE';
  reason: string;
  canary: CanaryEstimate;
  control: CanaryEstimate;
}

/** The exact counters of a variant since the start of its canary. */
export interface VariantCounts extends DeploymentCounts {
  /** Rows whose true class was recorded. */
  labelled: number;
  /** Those of them that were answered with another class. */
  wrong: number;
}

type GuardKind = CanaryGuard['kind'];
export type Verdict = GuardJudgement['verdict'];

export interface GuardPolicy {
  guards: readonly CanaryGuard[];
  /** The probability that a canary as good as its control is rolled back, whenever and however often one looks. */
  alpha: number;
  /** Nothing is decided before both variants have had as many requests, or rows with a true class. */
  minRequests: number;
}

const P95 = 0.95;
/** A hundredth of a percentage point; it takes about 100,000 requests per variant. */
const LEAST_SHARE_INCREASE = 0.0001;
/** Of a bucket of the latencies, as a fraction, rounded up: the canary's upper edge against the control's lower one. */
const BUCKET_WIDTH = Math.ceil((LATENCY_EDGES_MS[1]! / LATENCY_EDGES_MS[0]! - 1) * 100) / 100;

/** The least `maxIncrease` that a canary as good as its control can pass. */
export function leastIncrease(kind: CanaryGuard['kind']): number {
  return kind === 'LATENCY_P95' ? BUCKET_WIDTH : LEAST_SHARE_INCREASE;
}

/**
 * Compares each metric of the canary with that of the control. FAIL: it is proven to be worse by more than the guard
 * allows. PASS: it is proven not to be. Each guard and each variant has its share of alpha, so that the answer may be
 * asked for after every request.
 */
export function judgeGuards(
  { guards, alpha, minRequests }: GuardPolicy,
  canary: VariantCounts,
  control: VariantCounts,
): GuardJudgement[] {
  const alphaPerVariant = alpha / guards.length / 2;
  return guards.map((guard) => {
    const estimates = {
      canary: estimate(guard.kind, canary, alphaPerVariant),
      control: estimate(guard.kind, control, alphaPerVariant),
    };
    const [sizeOf, unit] = SIZES[guard.kind];
    const fewest = Math.min(sizeOf(canary), sizeOf(control));
    const decided =
      fewest < minRequests
        ? { verdict: 'INCONCLUSIVE' as const, reason: `${fewest} of at least ${minRequests} ${unit} per variant.` }
        : compare(guard, estimates.canary, estimates.control);
    return { ...guard, ...decided, ...estimates };
  });
}

/** The verdict of all guards together: the worst one. */
export function overallVerdict(judgements: readonly Pick<GuardJudgement, 'verdict'>[]): Verdict {
  if (judgements.some(({ verdict }) => verdict === 'FAIL')) return 'FAIL';
  return judgements.every(({ verdict }) => verdict === 'PASS') && judgements.length > 0 ? 'PASS' : 'INCONCLUSIVE';
}

function estimate(kind: GuardKind, counts: VariantCounts, alpha: number): CanaryEstimate {
  const { requests, errors, latencyCounts, labelled, wrong } = counts;
  switch (kind) {
    case 'ERROR_RATE':
      return { value: requests > 0 ? errors / requests : null, ...binomialSequence(errors, requests, alpha) };
    case 'WRONG_ANSWERS':
      return { value: labelled > 0 ? wrong / labelled : null, ...binomialSequence(wrong, labelled, alpha) };
    case 'LATENCY_P95': {
      const { low, high } = percentileSequence(latencyCounts, LATENCY_EDGES_MS, P95, alpha);
      const value = requests > 0 ? latencyPercentileMs(latencyCounts, P95) : null;
      return { value, low, high: Number.isFinite(high) ? high : null };
    }
  }
}

function compare(
  { kind, maxIncrease }: CanaryGuard,
  canary: CanaryEstimate,
  control: CanaryEstimate,
): { verdict: Verdict; reason: string } {
  const limitOf = (value: number) => (kind === 'LATENCY_P95' ? value * (1 + maxIncrease) : value + maxIncrease);
  const [shown, about] = FORMS[kind];
  if (control.high !== null && canary.low > limitOf(control.high))
    return {
      verdict: 'FAIL',
      reason:
        `${about} is at least ${shown(canary.low)}, that of the control at most ${shown(control.high)}: it is ` +
        'worse by more than allowed.',
    };
  if (canary.high !== null && canary.high <= limitOf(control.low))
    return {
      verdict: 'PASS',
      reason:
        `${about} is at most ${shown(canary.high)}, that of the control at least ${shown(control.low)}: it is not ` +
        'worse by more than allowed.',
    };
  const range = ({ low, high }: CanaryEstimate) =>
    `${shown(low)} to ${high === null ? 'an unknown limit' : shown(high)}`;
  return {
    verdict: 'INCONCLUSIVE',
    reason: `${about} is ${range(canary)}, that of the control ${range(control)}: too few requests to decide.`,
  };
}

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`;
const milliseconds = (ms: number) => `${Number(ms.toPrecision(3))} ms`;
const FORMS: Record<GuardKind, [shown: (value: number) => string, about: string]> = {
  ERROR_RATE: [percent, 'The error rate'],
  LATENCY_P95: [milliseconds, 'The latency p95'],
  WRONG_ANSWERS: [percent, 'The share of wrong answers'],
};

/** What a guard counts. */
const SIZES: Record<GuardKind, [sizeOf: (counts: VariantCounts) => number, unit: string]> = {
  ERROR_RATE: [({ requests }) => requests, 'requests'],
  LATENCY_P95: [({ requests }) => requests, 'requests'],
  WRONG_ANSWERS: [({ labelled }) => labelled, 'rows with a true class'],
};
