import type { EvaluationReport, LossComparison, GatePolicy } from '../../model-quality/index.js';

export interface GateCheck {
  /** A stable name, e.g. `latency_p95_ms`. */
  name: string;
  passed: boolean;
  expected: string;
  got: string;
  message: string;
}

export interface GateDecision {
  passed: boolean;
  checks: GateCheck[];
}

export interface EvaluationEvidence {
  gate: 'EVALUATION';
  /** Null when the version was never evaluated. */
  report: EvaluationReport | null;
}

export interface ValidationEvidence {
  gate: 'VALIDATION';
  /** Differences between the model file and its recorded signature; empty when there are none. */
  signatureProblems: readonly string[];
  sample: { rows: number; failures: number };
  latencyP95Ms: number;
  /** Null for an uploaded model, which has no trainer to compare with. */
  agreementMaxAbsDiff: number | null;
  /** By name, e.g. roc_auc. */
  holdoutMetrics: Readonly<Record<string, number>>;
}

export interface ShadowEvidence {
  gate: 'SHADOW';
  requests: number;
  errors: number;
  latencyP95Ms: number;
  slaLatencyP95Ms: number;
  /** Whether the version in production is among those with which its answers were compared. */
  besideProduction: boolean;
  /** Rows that both have answered. */
  comparedRows: number;
  disagreeingRows: number;
  /** The candidate's latest evaluation against the version in production; null without one. */
  comparison: LossComparison | null;
}

/** How an A/B test against the version in production ended. */
export interface AbTestEvidence {
  gate: 'AB_TEST';
  test: string;
  won: boolean;
  reason: string;
  /** The probability of a wrong winner that the test allowed. */
  alpha: number;
  /** How many tests of the version against this control were started, with this one. */
  attempts: number;
}

/** The highest probability of a wrong winner with which an A/B test opens the gate, over all tests together. */
export const AB_TEST_ALPHA = 0.05;

export type GateEvidence = EvaluationEvidence | ValidationEvidence | ShadowEvidence | AbTestEvidence;

export function decideGate(evidence: GateEvidence, policy: GatePolicy): GateDecision {
  const checks = checksOf(evidence, policy);
  return { passed: checks.every(({ passed }) => passed), checks };
}

function checksOf(evidence: GateEvidence, policy: GatePolicy): GateCheck[] {
  switch (evidence.gate) {
    case 'EVALUATION':
      return evaluationChecks(evidence, policy.evaluation);
    case 'VALIDATION':
      return validationChecks(evidence, policy.validation);
    case 'SHADOW':
      return shadowChecks(evidence, policy.shadow);
    case 'AB_TEST': {
      const { test, won, reason, alpha, attempts } = evidence;
      const ordinal = attempts === 1 ? 'the only test' : `test ${attempts}`;
      const because = `Each further test is another chance to win by luck: ${AB_TEST_ALPHA} is divided by their number.`;
      return [
        check('winner', won, `the winner of A/B test "${test}"`, won ? 'the winner' : 'no winner', reason),
        // A decimal like 0.05 / 3 must not fail by its last digit.
        check(
          'alpha',
          alpha <= (AB_TEST_ALPHA / attempts) * (1 + 1e-9),
          `at most ${show(AB_TEST_ALPHA / attempts)}`,
          show(alpha),
          `Alpha of ${ordinal} of this version against this control. ${because}`,
        ),
      ];
    }
  }
}

function evaluationChecks({ report }: EvaluationEvidence, policy: GatePolicy['evaluation']): GateCheck[] {
  if (report === null)
    return [check('evaluated', false, 'an evaluation of this version', 'none', 'The version has not been evaluated.')];
  const enough = atLeast('rows', report.rows, policy.minRows, 'Rows of the holdout');
  switch (report.task) {
    case 'CLASSIFICATION':
    case 'REGRESSION': {
      const { metric, difference, candidate, reference, against } = report.baseline ?? report.baseRate;
      const opponent = against === 'VERSION' ? 'the baseline version' : 'the base rate';
      return [
        enough,
        check(
          `${metric}_below_baseline`,
          difference.high < -policy.minImprovement,
          `upper end of the loss difference < ${show(-policy.minImprovement)}`,
          show(difference.high),
          `${metric} ${show(candidate)} against ${show(reference)} of ${opponent}; ${showDifference(difference)}.`,
        ),
      ];
    }
    case 'CLUSTERING':
      return [
        enough,
        atLeast('silhouette', report.metrics['silhouette']?.value ?? null, policy.minSilhouette, 'Mean silhouette'),
      ];
  }
}

function validationChecks(evidence: ValidationEvidence, policy: GatePolicy['validation']): GateCheck[] {
  const { signatureProblems, sample, latencyP95Ms, agreementMaxAbsDiff, holdoutMetrics } = evidence;
  const checks = [
    check(
      'signature',
      signatureProblems.length === 0,
      'the recorded signature',
      signatureProblems.join('; ') || 'the same',
      'Inputs and outputs of the file against the recorded signature.',
    ),
    check(
      'sample_predictions',
      sample.rows > 0 && sample.failures === 0,
      'at least one row and no failure',
      `${sample.rows} rows, ${sample.failures} failures`,
      'Sample rows predicted, with finite outputs.',
    ),
    atMost('latency_p95_ms', latencyP95Ms, policy.maxLatencyP95Ms, 'p95 latency of single-row predictions in ms'),
  ];
  if (agreementMaxAbsDiff !== null) {
    checks.push(
      atMost(
        'agreement_max_abs_diff',
        agreementMaxAbsDiff,
        policy.maxDisagreement,
        "Trainer's outputs against the runtime's",
      ),
    );
  }
  const bounded = Object.entries(policy.metrics).filter(([name]) => Object.hasOwn(holdoutMetrics, name));
  for (const [name, { min, max }] of bounded) {
    if (min !== undefined) checks.push(atLeast(`holdout_${name}_min`, holdoutMetrics[name]!, min, `Holdout ${name}`));
    if (max !== undefined) checks.push(atMost(`holdout_${name}_max`, holdoutMetrics[name]!, max, `Holdout ${name}`));
  }
  if (policy.requireHoldoutMetrics && bounded.length === 0) {
    const wanted = Object.keys(policy.metrics).join(', ') || 'a metric with a bound';
    checks.push(
      check(
        'holdout_metrics',
        false,
        `one of ${wanted}`,
        'none',
        'No holdout metric to check: evaluate the version first.',
      ),
    );
  }
  return checks;
}

function shadowChecks(evidence: ShadowEvidence, policy: GatePolicy['shadow']): GateCheck[] {
  const { comparedRows, disagreeingRows, comparison } = evidence;
  const checks = [
    check(
      'beside_production',
      evidence.besideProduction,
      'the version in PRODUCTION live at the endpoint',
      evidence.besideProduction ? 'live' : 'not live',
      'The shadow is compared with the version in PRODUCTION.',
    ),
    atLeast('requests', evidence.requests, policy.minRequests, 'Mirrored requests'),
    atMost('errors', evidence.errors, policy.maxErrors, 'Failed mirrored requests'),
    atMost(
      'latency_p95_ms',
      evidence.latencyP95Ms,
      evidence.slaLatencyP95Ms,
      "p95 latency in ms against the endpoint's SLA",
    ),
    atMost(
      'disagreement_share',
      comparedRows > 0 ? disagreeingRows / comparedRows : null,
      policy.maxDisagreementShare,
      `Rows answered otherwise than by production (${disagreeingRows} of ${comparedRows})`,
    ),
  ];
  if (comparison !== null) {
    const { metric, candidate, reference, difference } = comparison;
    checks.push(
      check(
        'quality',
        // An infinite loss is null after it was stored as JSON, and null would count as 0.
        Number.isFinite(difference.low) && difference.low <= policy.maxLossIncrease,
        `lower end of the loss difference ≤ ${show(policy.maxLossIncrease)}`,
        show(difference.low),
        `${metric} ${show(candidate)} against ${show(reference)} in production; ${showDifference(difference)}.`,
      ),
    );
  } else if (policy.requireEvaluation) {
    checks.push(
      check(
        'quality',
        false,
        'an evaluation against the production version',
        'none',
        'Evaluate the version against production first.',
      ),
    );
  }
  return checks;
}

function check(name: string, passed: boolean, expected: string, got: string, message: string): GateCheck {
  return { name, passed, expected, got, message };
}

/** An absent or NaN value passes no limit. */
function atLeast(name: string, value: number | null, bound: number, what: string): GateCheck {
  return check(
    name,
    value !== null && value >= bound,
    `≥ ${show(bound)}`,
    show(value),
    `${what}: ${show(value)}, at least ${show(bound)}.`,
  );
}

function atMost(name: string, value: number | null, bound: number, what: string): GateCheck {
  return check(
    name,
    value !== null && value <= bound,
    `≤ ${show(bound)}`,
    show(value),
    `${what}: ${show(value)}, at most ${show(bound)}.`,
  );
}

function showDifference({ mean, low, high }: LossComparison['difference']): string {
  return `mean loss difference ${show(mean)}, 95 % interval ${show(low)} to ${show(high)}`;
}

function show(value: number | null): string {
  return value === null ? 'none' : String(Number(value.toPrecision(6)));
}
