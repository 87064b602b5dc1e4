import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GATES } from '../../src/modules/model-quality/rules/gate-policy.js';
import { nextStep } from '../../src/modules/registry/rules/next-step.js';
import { nextAction, nextStageTowards } from '../../src/modules/registry/rules/release.js';
import { STAGES } from '../../src/modules/registry/rules/stages.js';

const state = fc
  .record({
    needed: fc.subarray([...GATES]),
    lacking: fc.subarray([...GATES, 'APPROVALS' as const]),
    done: fc.subarray(['EVALUATION' as const, 'VALIDATION' as const]),
    isEvaluated: fc.boolean(),
    isCompared: fc.boolean(),
    needsMetrics: fc.boolean(),
  })
  .map(({ lacking, done, ...rest }) => ({
    ...rest,
    missing: lacking.filter((gate) => gate === 'APPROVALS' || rest.needed.includes(gate)),
    done: new Set(done),
  }));

describe('a release', () => {
  it('never promotes when something is missing, and does each work once', () => {
    fc.assert(
      fc.property(state, (before) => {
        const action = nextAction(before);
        if (action === 'PROMOTE') expect(before.missing).toEqual([]);
        if (action === 'EVALUATION' || action === 'VALIDATION') expect(before.done.has(action)).toBe(false);
        if (action === 'VALIDATION') expect(before.missing).toContain('VALIDATION');
      }),
    );
  });

  it('does not repeat what has passed for the requested rows', () => {
    fc.assert(
      fc.property(state, (before) => {
        const passed = { ...before, missing: [], done: new Set<never>(), isEvaluated: true };
        expect(nextAction(passed)).toBe('PROMOTE');
      }),
    );
  });

  it('always ends', () => {
    fc.assert(
      fc.property(state, (before) => {
        const done = new Set(before.done);
        for (let steps = 0; ; steps++) {
          expect(steps).toBeLessThan(3);
          const action = nextAction({ ...before, done });
          if (action === 'PROMOTE' || action === 'STOP') return;
          done.add(action);
        }
      }),
    );
  });

  it('goes through STAGING, and stops when it has reached its target', () => {
    expect(
      STAGES.map((stage) => [stage, nextStageTowards(stage, 'STAGING'), nextStageTowards(stage, 'PRODUCTION')]),
    ).toEqual([
      ['DEVELOPMENT', 'STAGING', 'STAGING'],
      ['STAGING', null, 'PRODUCTION'],
      ['PRODUCTION', null, null],
      ['ARCHIVED', 'STAGING', 'STAGING'],
    ]);
  });
});

describe('the next step names what can help', () => {
  const version = { modelVersionId: 'v', isTrained: true, failed: [] };
  const shadow = { isCompared: true, deploymentId: null, endpointId: null, minRequests: 200 };
  const uploaded = { ...version, isTrained: false };

  it.each([
    ['VALIDATION', version, 'validateModelVersion(input: {modelVersionId: "v"})'],
    ['EVALUATION', version, 'evaluateModelVersion(input: {modelVersionId: "v"})'],
    ['EVALUATION', uploaded, 'evaluateModelVersion(input: {modelVersionId: "v", datasetId: …, target: {column: …}})'],
    [
      'VALIDATION',
      { ...uploaded, failed: ['holdout_metrics'] },
      'evaluateModelVersion(input: {modelVersionId: "v", datasetId: …, target: {column: …}}), then ' +
        'validateModelVersion(input: {modelVersionId: "v"})',
    ],
    ['VALIDATION', { ...version, failed: ['holdout_r2_min'] }, 'register a better version'],
    ['VALIDATION', { ...version, failed: ['latency_p95_ms'] }, 'when the machine is less busy'],
    ['VALIDATION', { ...version, failed: ['signature', 'latency_p95_ms'] }, 'mend the model file'],
    ['EVALUATION', { ...version, failed: ['rows'] }, 'with a dataset of more rows'],
    ['EVALUATION', { ...version, failed: ['log_loss_below_baseline'] }, 'register a better version'],
    [
      'SHADOW',
      { ...version, shadow: { ...shadow, isCompared: false } },
      'evaluateModelVersion(input: {modelVersionId: "v"}), then createEndpoint(input: {…, followStage: ' +
        'PRODUCTION}), then deployModelVersion(input: {endpointId: …, modelVersionId: "v", mode: SHADOW}), ' +
        'then decideShadow(input: {deploymentId: …}) once it has had 200 requests of the endpoint',
    ],
    [
      'SHADOW',
      { ...version, shadow: { ...shadow, endpointId: 'e' } },
      'deployModelVersion(input: {endpointId: "e", modelVersionId: "v", mode: SHADOW}), then ' +
        'decideShadow(input: {deploymentId: …}) once it has had 200 requests of the endpoint',
    ],
    [
      'SHADOW',
      { ...version, failed: ['requests'], shadow: { ...shadow, endpointId: 'e', deploymentId: 'd' } },
      'decideShadow(input: {deploymentId: "d"}) once it has had 200 requests of the endpoint',
    ],
    [
      'SHADOW',
      { ...version, failed: ['disagreement_share'], shadow: { ...shadow, endpointId: 'e', deploymentId: 'd' } },
      'register a better version',
    ],
  ] as const)('%s %o', (gate, situation, text) => {
    expect(nextStep(gate, situation)).toContain(text);
  });
});
