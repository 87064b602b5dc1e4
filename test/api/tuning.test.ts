import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  FollowJobDocument,
  FollowStudyDocument,
  StartTuningDocument,
  type StartTuningInput,
} from '../../schema/generated/operations.js';
import {
  CancelTuningDocument,
  ChangeStopRuleDocument,
  ExtendTuningDocument,
  RegisterBestTrialDocument,
  ResumeTuningDocument,
  RunForTuningDocument,
  TrialsOfStudyDocument,
  StudiesDocument,
  StudyDetailsDocument,
} from '../generated/operations.js';
import { createModel } from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { createExperiment, registerDataset, vegaPath } from '../support/training.js';
import { RATES, SHORT_CONFIG, startTuning, studyEnd, studyOf, studyWhen, trialsOf } from '../support/tuning.js';

let service: TestService;
let tess: Caller;
let experimentId: string;
let datasetId: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  experimentId = await createExperiment(tess);
  datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
});
afterAll(() => service?.close());

const start = (input: Partial<StartTuningInput> = {}) => startTuning(tess, { experimentId, datasetId, ...input });

async function refused(input: Partial<StartTuningInput>) {
  return tess.fails(StartTuningDocument, {
    input: {
      ...{ experimentId, datasetId, name: 'wrong', config: SHORT_CONFIG, space: RATES, stop: { maxTrials: 2 } },
      ...input,
    },
  });
}

describe('a tuning', () => {
  it('runs its trials as nested trainings, and its best trial becomes a version', async () => {
    const enqueued = [{ learningRate: 0.01 }, { learningRate: 0.02 }];
    const { studyId, jobId } = await start({ stop: { maxTrials: 5 }, enqueuedTrials: enqueued, sampler: 'AUTO' });
    const study = await studyEnd(tess, studyId);
    expect(study.trialCounts).toMatchObject({ complete: 5, running: 0, failed: 0 });
    expect(study.reason).toBe('All 5 trials of its budget were begun.');
    const trials = await trialsOf(tess, studyId);
    expect(trials.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4]);
    expect(trials.slice(0, 2).map(({ params }) => params)).toEqual(enqueued);
    const best = trials.reduce((a, b) => (b.values![0]! < a.values![0]! ? b : a));
    expect(study.bestTrial).toMatchObject({ number: best.number, values: best.values });
    for (const trial of trials) {
      // Four epochs of the validation metric that is tuned, and its value is one of them.
      expect(trial.reports).toHaveLength(4);
      expect(trial.reports.map(({ value }) => Number(value))).toContain(trial.values![0]);
    }
    const { study: details } = await tess.ok(StudyDetailsDocument, { id: studyId });
    expect(details).toMatchObject({ sampler: 'SOBOL', pruner: 'NONE', dataset: { id: datasetId }, repeats: 1 });
    expect(details.run).toMatchObject({ status: 'FINISHED', children: { totalCount: 5 } });
    expect(details.run!.metrics).toContainEqual({ key: 'best.validation.rmse', value: best.values![0], step: 4 });
    expect(details.job).toMatchObject({
      id: jobId,
      status: 'SUCCEEDED',
      outcome: { complete: 5, bestTrial: best.number, reason: study.reason },
    });
    expect(new Set(trials.map(({ runs }) => runs[0]!.job!.status))).toEqual(new Set(['SUCCEEDED']));

    const modelId = await createModel(tess, { task: 'REGRESSION' });
    const { registerBestTrial } = await tess.ok(RegisterBestTrialDocument, { input: { studyId, modelId } });
    expect(registerBestTrial.trial).toEqual({ number: best.number, params: best.params });
    expect(registerBestTrial.modelVersion.version).toBe(1);
  });

  it('is followed live: each trial with its newest state, and a reconnect goes on', async () => {
    const { studyId, jobId } = await start({ stop: { maxTrials: 3 } });
    const live = tess.collect(FollowStudyDocument, { studyId }, () => false);
    const updates = await live;
    const last = new Map(updates.map((update) => [update.number, update.status]));
    expect([...last.values()]).toEqual(['COMPLETE', 'COMPLETE', 'COMPLETE']);
    expect(updates.some(({ lastReport }) => lastReport !== null)).toBe(true);
    const seqs = updates.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(new Set(seqs).size).toBe(seqs.length);
    const rest = await tess.collect(FollowStudyDocument, { studyId, after: seqs.at(-1)! - 1 }, () => false);
    expect(rest.map(({ seq }) => seq)).toEqual([seqs.at(-1)]);
    const steps = await tess.collect(FollowJobDocument, { jobId }, () => false);
    expect(steps.some(({ message }) => /3 of 3 trials done.*best validation\.rmse/.test(message))).toBe(true);
  });

  it('measures a trial by the mean of repeated seeds', async () => {
    const { studyId } = await start({
      stop: { maxTrials: 2 },
      repeats: 3,
      objectives: [{ metric: 'holdout.rmse', direction: 'MINIMIZE' }],
    });
    await studyEnd(tess, studyId);
    for (const { runs, values, standardErrors } of await trialsOf(tess, studyId)) {
      const all = runs.map((run) => run.values![0]!);
      expect(new Set(all).size).toBe(3);
      const mean = all.reduce((sum, value) => sum + value, 0) / 3;
      expect(values![0]).toBeCloseTo(mean, 12);
      const variance = all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2;
      expect(standardErrors![0]).toBeCloseTo(Math.sqrt(variance / 3), 12);
    }
  });

  it('is by the mean over the folds of a cross-validation, if that is the objective', async () => {
    const { studyId } = await start({
      stop: { maxTrials: 1 },
      config: { ...SHORT_CONFIG, crossValidation: { by: 'K_FOLD', folds: 3 } },
      objectives: [{ metric: 'cross_validation.rmse.mean', direction: 'MINIMIZE' }],
    });
    const { bestTrial } = await studyEnd(tess, studyId);
    const [trial] = await trialsOf(tess, studyId);
    const { run } = await tess.ok(RunForTuningDocument, { id: trial!.runs[0]!.run!.id });
    expect(run.metrics).toContainEqual(
      expect.objectContaining({ key: 'cross_validation.rmse.mean', value: bestTrial!.values![0] }),
    );
  });

  it('stops hopeless trials early, and says so in their runs', async () => {
    const config = { ...SHORT_CONFIG, hyperparameters: { epochs: 60, batchSize: 16, hiddenLayers: [4] } };
    const { studyId } = await start({
      config,
      space: { parameters: [{ name: 'learningRate', kind: 'CATEGORICAL', choices: [0.005, 1e-7, 2e-7] }] },
      enqueuedTrials: [{ learningRate: 0.005 }, { learningRate: 1e-7 }, { learningRate: 2e-7 }],
      stop: { maxTrials: 3 },
      parallelTrials: 1,
      pruner: { kind: 'MEDIAN', startupTrials: 1 },
    });
    await studyEnd(tess, studyId);
    const trials = await trialsOf(tess, studyId);
    expect(trials.map(({ status }) => status)).toEqual(['COMPLETE', 'PRUNED', 'PRUNED']);
    for (const { reason, runs, reports } of trials.slice(1)) {
      expect(reason).toMatch(/worse than the median of 1 complete trials/);
      expect(reports.length).toBeLessThan(60);
      expect(runs[0]).toMatchObject({ run: { status: 'KILLED' }, job: { status: 'CANCELLED' } });
    }
  });

  it('stops early what is worse in every one of several objectives', async () => {
    const config = { ...SHORT_CONFIG, hyperparameters: { epochs: 60, batchSize: 16, hiddenLayers: [4] } };
    const { studyId } = await start({
      config,
      space: { parameters: [{ name: 'learningRate', kind: 'CATEGORICAL', choices: [0.005, 1e-7] }] },
      enqueuedTrials: [{ learningRate: 0.005 }, { learningRate: 1e-7 }],
      objectives: [
        { metric: 'validation.rmse', direction: 'MINIMIZE' },
        { metric: 'validation.r2', direction: 'MAXIMIZE' },
      ],
      stop: { maxTrials: 2 },
      parallelTrials: 1,
      pruner: { kind: 'ASHA', minSteps: 8, reduction: 2 },
    });
    await studyEnd(tess, studyId);
    const trials = await trialsOf(tess, studyId);
    expect(trials.map(({ status }) => status)).toEqual(['COMPLETE', 'PRUNED']);
    expect(trials[1]!.reason).toMatch(/not among the best 1 of 2 trials by all objectives/);
    expect(trials[1]!.reports.length).toBeLessThan(60);
    for (const { values } of trials[0]!.reports) expect(values).toHaveLength(2);
  });

  it('stops by Wilcoxon over the folds of a cross-validation, and tunes their mean', async () => {
    const config = {
      ...SHORT_CONFIG,
      crossValidation: { by: 'K_FOLD' as const, folds: 12 },
      hyperparameters: { epochs: 20, batchSize: 16, hiddenLayers: [4] },
    };
    const { studyId } = await start({
      config,
      space: { parameters: [{ name: 'learningRate', kind: 'CATEGORICAL', choices: [0.01, 1e-7] }] },
      enqueuedTrials: [{ learningRate: 0.01 }, { learningRate: 1e-7 }],
      stop: { maxTrials: 2 },
      parallelTrials: 1,
      pruner: { kind: 'WILCOXON' },
    });
    await studyEnd(tess, studyId);
    const [best, worse] = await trialsOf(tess, studyId);
    const { study } = await tess.ok(StudyDetailsDocument, { id: studyId });
    expect(study.reported).toEqual({ metric: 'cross_validation.rmse', direction: 'MINIMIZE' });
    expect(best!.reports.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, fold) => fold + 1));
    const mean = best!.reports.reduce((sum, { value }) => sum + Number(value), 0) / 12;
    expect(best!.values![0]).toBeCloseTo(mean, 10);
    expect(worse).toMatchObject({
      status: 'PRUNED',
      // Four folds that are all worse are the fewest with a p-value below 0.1.
      reason: "It is worse than trial 0 on 4 folds (Wilcoxon's signed-rank test, p = 0.0625).",
    });
    expect(worse!.reports.length).toBeLessThan(12);
  });

  it('is cancelled with its trials, and resumed: finished trials are kept', async () => {
    const config = { ...SHORT_CONFIG, hyperparameters: { epochs: 40, batchSize: 32, hiddenLayers: [4] } };
    const { studyId } = await start({ config, stop: { maxTrials: 4 } });
    await studyWhen(tess, studyId, ({ trialCounts }) => trialCounts.complete >= 1);
    const { cancelTuning } = await tess.ok(CancelTuningDocument, { studyId });
    expect(cancelTuning.study).toMatchObject({ status: 'CANCELLED' });
    const before = await trialsOf(tess, studyId);
    expect(before.every(({ status }) => status !== 'RUNNING')).toBe(true);
    const kept = before.filter(({ status }) => status === 'COMPLETE');
    const { resumeTuning } = await tess.ok(ResumeTuningDocument, { studyId });
    expect(resumeTuning.study.status).toBe('RUNNING');
    await studyEnd(tess, studyId);
    const after = await trialsOf(tess, studyId);
    expect(after.map(({ status }) => status)).toEqual(['COMPLETE', 'COMPLETE', 'COMPLETE', 'COMPLETE']);
    for (const trial of kept) expect(after.find(({ id }) => id === trial.id)).toEqual(trial);
  });

  it('goes on after its end with more trials, and learns from the trials before', async () => {
    const { studyId } = await start({ stop: { maxTrials: 2 } });
    await studyEnd(tess, studyId);
    const { extendTuning } = await tess.ok(ExtendTuningDocument, { input: { studyId, moreTrials: 2 } });
    expect(extendTuning.study).toMatchObject({ status: 'RUNNING', stop: { maxTrials: 4 } });
    const study = await studyEnd(tess, studyId);
    expect(study.trialCounts.complete).toBe(4);
  });

  it('stops by another rule that it is given while it runs', async () => {
    const { studyId } = await start({ stop: { maxTrials: 200 } });
    await studyWhen(tess, studyId, ({ trialCounts }) => trialCounts.complete >= 1);
    const { changeStopRule } = await tess.ok(ChangeStopRuleDocument, { input: { studyId, stop: { maxTrials: 1 } } });
    expect(changeStopRule.study.stop).toMatchObject({ maxTrials: 1, maxDurationMs: null });
    const study = await studyEnd(tess, studyId);
    expect(study.trialCounts.complete).toBeLessThan(10);
  });

  it('fails with the reason when no trial logs the objective', async () => {
    const { studyId } = await start({ objectives: [{ metric: 'validation.nothing', direction: 'MINIMIZE' }] });
    const study = await studyEnd(tess, studyId, 'FAILED');
    expect(study.reason).toMatch(/does not log validation\.nothing; it logs .*validation\.rmse/);
    const { study: details } = await tess.ok(StudyDetailsDocument, { id: studyId });
    expect(details).toMatchObject({ run: { status: 'FAILED' }, job: { status: 'FAILED' } });
  });

  it('is listed, filtered and sorted, and its trials too', async () => {
    const { studies } = await tess.ok(StudiesDocument, {
      filter: { experimentId, status: ['FAILED'], search: 'RATES' },
      orderBy: { field: 'NAME', direction: 'ASC' },
    });
    expect(studies.totalCount).toBe(1);
    const { studies: all } = await tess.ok(StudiesDocument, { first: 1, filter: { status: ['COMPLETED'] } });
    const studyId = all.nodes[0]!.id;
    const { trials } = await tess.ok(TrialsOfStudyDocument, {
      ...{ studyId, first: 2 },
      orderBy: { field: 'SCORE', direction: 'ASC' },
      filter: { status: ['COMPLETE'] },
    });
    expect(trials.nodes[0]!.number).toBe((await studyOf(tess, studyId)).bestTrial!.number);
    const { trials: next } = await tess.ok(TrialsOfStudyDocument, {
      ...{ studyId, first: 2, after: trials.pageInfo.endCursor },
      orderBy: { field: 'SCORE', direction: 'ASC' },
      filter: { status: ['COMPLETE'] },
    });
    const values = [...trials.nodes, ...next.nodes].map((trial) => trial.values![0]!);
    expect(values).toEqual(values.toSorted((a, b) => a - b));
  });
});

describe('a wrong tuning is refused before any trial', () => {
  it('says which field is wrong', async () => {
    const rate = { name: 'learningRate', kind: 'FLOAT' as const };
    const cases: [Partial<StartTuningInput>, string, RegExp][] = [
      [{ stop: { maxTrials: 0 } }, 'input.stop.maxTrials', /1 to 100000 trials/],
      [{ stop: {} }, 'input.stop', /maxTrials or maxDurationMs/],
      [{ space: { parameters: [{ ...rate, low: 1, high: 0.1 }] } }, 'input.space.parameters[0].high', /at least low/],
      [{ space: { parameters: [{ ...rate, low: 1 }] } }, 'input.space.parameters[0].high', /type number/],
      [
        { space: { parameters: [{ name: 'depth', kind: 'INTEGER', low: 1, high: 3 }] } },
        'input.space.parameters[0]',
        /depth/,
      ],
      [
        { space: { parameters: [{ ...rate, low: 0.1, high: 100 }] } },
        'input.space.parameters[0]',
        /learningRate.*at most 10/,
      ],
      [{ enqueuedTrials: [{ learningRate: 5 }] }, 'input.enqueuedTrials[0].learningRate', /from 0.0005 to 0.1/],
      [{ enqueuedTrials: [{}] }, 'input.enqueuedTrials[0].learningRate', /from 0.0005 to 0.1/],
      [
        {
          objectives: [
            { metric: 'validation.rmse', direction: 'MINIMIZE' },
            { metric: 'validation.r2', direction: 'MAXIMIZE' },
          ],
          pruner: { kind: 'WILCOXON' },
        },
        'input.pruner.kind',
        /another pruner with several objectives, as WILCOXON compares one/,
      ],
      [
        {
          objectives: [
            { metric: 'validation.rmse', direction: 'MINIMIZE' },
            { metric: 'holdout.r2', direction: 'MAXIMIZE' },
          ],
          pruner: { kind: 'ASHA' },
        },
        'input.objectives[1].metric',
        /metric of each epoch/,
      ],
      [
        {
          objectives: [
            { metric: 'validation.rmse', direction: 'MINIMIZE' },
            { metric: 'validation.r2', direction: 'MAXIMIZE' },
          ],
          pruner: { kind: 'ASHA', metric: 'validation.rmse' },
        },
        'input.pruner.metric',
        /nothing with several objectives/,
      ],
      [{ pruner: { kind: 'HYPERBAND' } }, 'input.pruner.maxSteps', /HYPERBAND needs/],
    ];
    for (const [input, field, message] of cases) {
      const error = await refused(input);
      expect(error, JSON.stringify(input)).toMatchObject({ extensions: { code: 'BAD_USER_INPUT', field } });
      expect(error.message).toMatch(message);
    }
  });

  it('tells the feasible share of an infeasible space', async () => {
    const error = await refused({
      space: {
        parameters: [
          { name: 'learningRate', kind: 'FLOAT', low: 0.001, high: 0.1 },
          { name: 'l2', kind: 'FLOAT', low: 0, high: 1 },
        ],
        constraints: ['learningRate > 10 * l2 + 0.095'],
      },
    });
    expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.space.constraints' });
    expect(error.message).toMatch(/at least 1 %.*got 0\.?\d* % of 10000 random points/);
  });
});
