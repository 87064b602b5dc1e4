import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  evaluateClassification,
  evaluateClustering,
  evaluateRegression,
  type LossComparison,
} from '../../src/modules/model-quality/rules/evaluation.js';
import { DEFAULT_GATE_POLICY, gatePolicySchema } from '../../src/modules/model-quality/rules/gate-policy.js';
import {
  decideGate,
  type GateEvidence,
  type ShadowEvidence,
  type ValidationEvidence,
} from '../../src/modules/registry/rules/gates.js';
import { disagreeingRows } from '../../src/modules/serving/rules/shadow.js';

const decide = (evidence: GateEvidence, policy = DEFAULT_GATE_POLICY) => decideGate(evidence, policy);
const failed = (decision: ReturnType<typeof decideGate>): string[] =>
  decision.checks.filter((check) => !check.passed).map((check) => check.name);

describe('evaluation gate', () => {
  const labels = Int32Array.from({ length: 400 }, (_, row) => (row % 4 === 0 ? 1 : 0));
  const classifier = (right: number) =>
    evaluateClassification({
      labels,
      probabilities: Float32Array.from({ length: 800 }, (_, at) => (labels[at >> 1] === at % 2 ? right : 1 - right)),
      classNames: ['no', 'yes'],
      trainingShares: [0.75, 0.25],
    });

  it('passes a version whose interval is below the base rate', () => {
    expect(decide({ gate: 'EVALUATION', report: classifier(0.9) })).toMatchObject({ passed: true });
    const refused = decide({ gate: 'EVALUATION', report: classifier(0.5) });
    expect(failed(refused)).toEqual(['log_loss_below_baseline']);
    expect(refused.checks[1]!.message).toContain('of the base rate');
  });

  it('compares with a version when there is one', () => {
    const report = evaluateRegression({
      actual: Float64Array.from({ length: 300 }, (_, row) => row),
      predicted: Float64Array.from({ length: 300 }, (_, row) => row + 2),
      trainingMean: 150,
      baseline: { versionId: 'v1', predicted: Float64Array.from({ length: 300 }, (_, row) => row + 1) },
    });
    expect(report.baseRate.verdict).toBe('BETTER');
    expect(failed(decide({ gate: 'EVALUATION', report }))).toEqual(['rmse_below_baseline']);
  });

  it('needs an evaluation and enough rows, and uses the silhouette of clusters', () => {
    expect(failed(decide({ gate: 'EVALUATION', report: null }))).toEqual(['evaluated']);
    expect(
      decide({ gate: 'EVALUATION', report: evaluateClustering({ rows: 500, silhouette: 0.3, inertia: 1 }) }).passed,
    ).toBe(true);
    expect(
      failed(decide({ gate: 'EVALUATION', report: evaluateClustering({ rows: 50, silhouette: null, inertia: 1 }) })),
    ).toEqual(['rows', 'silhouette']);
  });
});

describe('validation gate', () => {
  const good: ValidationEvidence = {
    gate: 'VALIDATION',
    signatureProblems: [],
    sample: { rows: 16, failures: 0 },
    latencyP95Ms: 3,
    agreementMaxAbsDiff: 2e-6,
    holdoutMetrics: { roc_auc: 0.7, log_loss: 0.5 },
  };

  it('passes a good version and names every fault', () => {
    expect(failed(decide(good))).toEqual([]);
    expect(failed(decide({ ...good, signatureProblems: ['input age is missing'] }))).toEqual(['signature']);
    expect(failed(decide({ ...good, sample: { rows: 0, failures: 0 } }))).toEqual(['sample_predictions']);
    expect(failed(decide({ ...good, latencyP95Ms: 51 }))).toEqual(['latency_p95_ms']);
    expect(failed(decide({ ...good, latencyP95Ms: NaN }))).toEqual(['latency_p95_ms']);
    expect(failed(decide({ ...good, agreementMaxAbsDiff: 1.1e-4 }))).toEqual(['agreement_max_abs_diff']);
    expect(decide({ ...good, agreementMaxAbsDiff: 1e-4 }).passed).toBe(true);
    expect(failed(decide({ ...good, holdoutMetrics: { roc_auc: 0.5 } }))).toEqual(['holdout_roc_auc_min']);
    expect(failed(decide({ ...good, holdoutMetrics: {} }))).toEqual(['holdout_metrics']);
  });

  it('accepts an uploaded model without a trainer, and other limits', () => {
    expect(decide({ ...good, agreementMaxAbsDiff: null }).checks.map((check) => check.name)).not.toContain(
      'agreement_max_abs_diff',
    );
    const policy = gatePolicySchema.parse({ validation: { metrics: { log_loss: { max: 0.4 } } } });
    expect(failed(decide(good, policy))).toEqual(['holdout_log_loss_max']);
    const lax = gatePolicySchema.parse({ validation: { requireHoldoutMetrics: false } });
    expect(decide({ ...good, holdoutMetrics: {} }, lax).passed).toBe(true);
  });
});

describe('shadow gate', () => {
  const comparison: LossComparison = {
    against: 'VERSION',
    versionId: 'v1',
    metric: 'log_loss',
    candidate: 0.5,
    reference: 0.49,
    difference: { mean: 0.01, low: -0.002, high: 0.022 },
    verdict: 'NO_DIFFERENCE',
  };
  const good: ShadowEvidence = {
    gate: 'SHADOW',
    requests: 200,
    errors: 0,
    latencyP95Ms: 8,
    slaLatencyP95Ms: 50,
    besideProduction: true,
    comparedRows: 200,
    disagreeingRows: 20,
    comparison,
  };

  it('passes a good shadow and names every fault', () => {
    expect(failed(decide(good))).toEqual([]);
    expect(failed(decide({ ...good, requests: 199 }))).toEqual(['requests']);
    expect(failed(decide({ ...good, besideProduction: false }))).toEqual(['beside_production']);
    expect(failed(decide({ ...good, errors: 1 }))).toEqual(['errors']);
    expect(failed(decide({ ...good, latencyP95Ms: 51 }))).toEqual(['latency_p95_ms']);
    expect(failed(decide({ ...good, disagreeingRows: 61 }))).toEqual(['disagreement_share']);
    expect(failed(decide({ ...good, comparedRows: 0, disagreeingRows: 0 }))).toEqual(['disagreement_share']);
    expect(
      failed(decide({ ...good, comparison: { ...comparison, difference: { mean: 0.02, low: 0.001, high: 0.04 } } })),
    ).toEqual(['quality']);
    const infinite = { ...comparison, difference: { mean: Infinity, low: Infinity, high: Infinity } };
    expect(failed(decide({ ...good, comparison: JSON.parse(JSON.stringify(infinite)) as LossComparison }))).toEqual([
      'quality',
    ]);
    expect(failed(decide({ ...good, comparison: null }))).toEqual(['quality']);
    expect(
      decide({ ...good, comparison: null }, gatePolicySchema.parse({ shadow: { requireEvaluation: false } })).passed,
    ).toBe(true);
  });

  it('better evidence never turns a pass into a failure', () => {
    const evidence = fc.record({
      requests: fc.nat(400),
      errors: fc.nat(2),
      latencyP95Ms: fc.nat(100),
      disagreeingRows: fc.nat(200),
    });
    fc.assert(
      fc.property(evidence, (part) => {
        const now = decide({ ...good, ...part });
        expect(now.passed).toBe(now.checks.every((check) => check.passed));
        const better = {
          requests: part.requests + 1,
          errors: 0,
          latencyP95Ms: part.latencyP95Ms / 2,
          disagreeingRows: part.disagreeingRows >> 1,
        };
        if (now.passed) expect(decide({ ...good, ...better }).passed).toBe(true);
      }),
    );
  });

  it('the default policy is the parsed empty one, and unknown names are refused', () => {
    expect(DEFAULT_GATE_POLICY.shadow.minRequests).toBe(200);
    expect(DEFAULT_GATE_POLICY.validation.maxDisagreement).toBe(1e-4);
    expect(() => gatePolicySchema.parse({ shadow: { minRequest: 3 } })).toThrow();
  });
});

describe('disagreement of two answers', () => {
  it('by class, by value, and by which rows are in one cluster', () => {
    const ints = (...values: number[]) => Int32Array.from(values);
    expect(disagreeingRows({ task: 'CLASSIFICATION', production: ints(0, 1, 1), candidate: ints(0, 0, 1) })).toBe(1);
    expect(disagreeingRows({ task: 'CLUSTERING', production: ints(0, 0, 1, 1), candidate: ints(5, 5, 2, 5) })).toBe(1);
    expect(disagreeingRows({ task: 'CLUSTERING', production: ints(), candidate: ints() })).toBe(0);
    const values = { production: Float64Array.of(1, 2, 3), candidate: Float64Array.of(1.5, 2.6, NaN) };
    expect(disagreeingRows({ task: 'REGRESSION', ...values, tolerance: 0.5 })).toBe(2);
  });
});
