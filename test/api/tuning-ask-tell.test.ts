import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StartTuningDocument, type StartTuningInput } from '../../schema/generated/operations.js';
import {
  AskTrialDocument,
  CancelTuningDocument,
  ChangeStopRuleDocument,
  CreateStudyDocument,
  ExtendTuningDocument,
  RegisterBestTrialDocument,
  ReportsOfTrialDocument,
  ReportTrialDocument,
  ResumeTuningDocument,
  RetryFailedTrialsDocument,
  TellTrialDocument,
  type AskTrialMutation,
  type CreateStudyInput,
  RunForTuningDocument,
  StudyAnalysisDocument,
  StudyDetailsDocument,
  StudyImportanceDocument,
} from '../generated/operations.js';
import { createModel } from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { query } from '../support/tracking.js';
import { createExperiment, registerDataset, vegaPath } from '../support/training.js';
import { RATES, SHORT_CONFIG, startTuning, studyEnd, studyOf, trialsOf } from '../support/tuning.js';

let service: TestService;
let tess: Caller;
let experimentId: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  experimentId = await createExperiment(tess);
});
afterAll(() => service?.close());

type Asked = NonNullable<AskTrialMutation['askTrial']['trial']>;

const SPACE = {
  parameters: [
    { name: 'x', kind: 'FLOAT' as const, low: -5, high: 5 },
    { name: 'y', kind: 'FLOAT' as const, low: -5, high: 5 },
  ],
};
const BEST = { metric: 'loss', direction: 'MINIMIZE' as const };

async function createStudy(input: Partial<CreateStudyInput> = {}): Promise<string> {
  const { createStudy: created } = await tess.ok(CreateStudyDocument, {
    input: { experimentId, name: 'outside', space: SPACE, objectives: [BEST], stop: { maxTrials: 3 }, ...input },
  });
  return created.study.id;
}

async function ask(studyId: string): Promise<Asked | null> {
  return (await tess.ok(AskTrialDocument, { studyId })).askTrial.trial ?? null;
}

const tell = (trialId: string, values: number[], violations?: number[]) =>
  tess.ok(TellTrialDocument, { input: { trialId, values, violations } });

/** A bowl whose least value, 0, is at (1, -2). */
const bowl = ({ params }: Asked): number => {
  const { x, y } = params as { x: number; y: number };
  return (x - 1) ** 2 + (y + 2) ** 2;
};

describe('a study that an outside trainer drives', () => {
  it('gives parameters, takes values, and finds better ones than at random', async () => {
    const studyId = await createStudy({ sampler: 'TPE', stop: { maxTrials: 40 }, seed: 3 });
    const values: number[] = [];
    for (let trial = await ask(studyId); trial; trial = await ask(studyId)) {
      values.push(bowl(trial));
      await tell(trial.id, [values.at(-1)!]);
    }
    expect(values).toHaveLength(40);
    expect(Math.min(...values)).toBeLessThan(Math.min(...values.slice(0, 10)));
    const study = await studyOf(tess, studyId);
    expect(study).toMatchObject({ status: 'COMPLETED', trialCounts: { complete: 40, running: 0 } });
    expect(study.bestTrial!.values).toEqual([Math.min(...values)]);
  });

  it('keeps the values and the reports as metrics of nested runs', async () => {
    const studyId = await createStudy({ stop: { maxTrials: 1 } });
    const trial = (await ask(studyId))!;
    const runId = trial.runs[0]!.run!.id;
    await tess.ok(ReportTrialDocument, { trialId: trial.id, step: 1, value: 3 });
    await tess.ok(ReportTrialDocument, { trialId: trial.id, step: 1, value: 3 });
    await tess.ok(ReportTrialDocument, { trialId: trial.id, step: 2, value: 'NaN' });
    await tell(trial.id, [0.5]);
    const { run } = await tess.ok(RunForTuningDocument, { id: runId });
    const { study } = await tess.ok(StudyDetailsDocument, { id: studyId });
    expect(run).toMatchObject({ status: 'FINISHED', parent: { id: study.run!.id } });
    expect(run.metrics).toEqual([{ key: 'loss', value: 0.5, step: 3 }]);
    expect((await trialsOf(tess, studyId))[0]!.reports).toEqual([
      { step: 1, value: 3, values: [3] },
      { step: 2, value: 'NaN', values: ['NaN'] },
    ]);
    const again = await tell(trial.id, [0.5]);
    expect(again.tellTrial.trial.status).toBe('COMPLETE');
    const other = await tess.fails(TellTrialDocument, { input: { trialId: trial.id, values: [0.6] } });
    expect(other.extensions.code).toBe('CONFLICT');
  });

  it('says when to stop a trial', async () => {
    const studyId = await createStudy({ pruner: { kind: 'MEDIAN', startupTrials: 1 } });
    const good = (await ask(studyId))!;
    for (const step of [1, 2]) await tess.ok(ReportTrialDocument, { trialId: good.id, step, value: 1 });
    await tell(good.id, [1]);
    const bad = (await ask(studyId))!;
    const { reportTrial } = await tess.ok(ReportTrialDocument, { trialId: bad.id, step: 1, value: 9 });
    expect(reportTrial).toMatchObject({ shouldPrune: true, reason: expect.stringMatching(/worse than the median/) });
    await tess.ok(TellTrialDocument, { input: { trialId: bad.id, outcome: 'PRUNED', reason: reportTrial.reason } });
    const [, trial] = await trialsOf(tess, studyId);
    expect(trial).toMatchObject({
      status: 'PRUNED',
      reason: reportTrial.reason,
      runs: [{ run: { status: 'KILLED' } }],
    });
  });

  it('says when to stop a trial by several objectives', async () => {
    const studyId = await createStudy({
      objectives: [BEST, { metric: 'accuracy', direction: 'MAXIMIZE' }],
      pruner: { kind: 'ASHA', minSteps: 1, reduction: 2 },
    });
    const report = async (trialId: string, values: number[]) =>
      (await tess.ok(ReportTrialDocument, { trialId, step: 1, values })).reportTrial;
    const first = (await ask(studyId))!;
    await report(first.id, [1, 0.5]);
    await tell(first.id, [1, 0.5]);
    const worse = (await ask(studyId))!;
    expect(await report(worse.id, [2, 0.4])).toMatchObject({
      shouldPrune: true,
      reason: 'At step 1, it is not among the best 1 of 2 trials by all objectives.',
    });
    await tess.ok(TellTrialDocument, { input: { trialId: worse.id, outcome: 'PRUNED' } });
    const better = (await ask(studyId))!;
    expect(await report(better.id, [0.9, 0.9])).toMatchObject({ shouldPrune: false, reason: null });
    for (const wrong of [{ value: 1 }, { values: [1] }, { value: 1, values: [1, 2] }, {}]) {
      const { extensions } = await tess.fails(ReportTrialDocument, { trialId: better.id, step: 2, ...wrong });
      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.values' });
    }
  });

  it('gives the trial of a lost trainer to another one, with the same parameters and run', async () => {
    const studyId = await createStudy({ trialTimeoutMs: 1_000 });
    const lost = (await ask(studyId))!;
    await pause(1_100);
    const found = (await ask(studyId))!;
    expect(found).toEqual(lost);
    await tell(found.id, [1]);
    expect((await studyOf(tess, studyId)).trialCounts).toMatchObject({ complete: 1, running: 0, queued: 0 });
  });

  it('takes back the trial of a lost trainer, and ends after its time, though nobody asks', async () => {
    const studyId = await createStudy({ trialTimeoutMs: 1_000, stop: { maxTrials: 3, maxDurationMs: 2_000 } });
    await tell((await ask(studyId))!.id, [1]);
    await ask(studyId);
    const study = await studyEnd(tess, studyId);
    expect(study).toMatchObject({ reason: 'Its time of 2 seconds is over.', trialCounts: { complete: 1, queued: 1 } });
  });

  it('fails when every trial has failed, and its failed trials can run again', async () => {
    const studyId = await createStudy({ stop: { maxTrials: 2 } });
    const failed: Asked[] = [];
    for (let trial = await ask(studyId); trial; trial = await ask(studyId)) {
      failed.push(trial);
      await tess.ok(TellTrialDocument, { input: { trialId: trial.id, outcome: 'FAILED', reason: 'It broke.' } });
    }
    const study = await studyOf(tess, studyId);
    expect(study).toMatchObject({ status: 'FAILED', reason: expect.stringMatching(/2 failed, 0 were pruned/) });
    await tess.ok(RetryFailedTrialsDocument, { studyId });
    const again = (await ask(studyId))!;
    expect(again).toMatchObject({ id: failed[0]!.id, params: failed[0]!.params });
    await tell(again.id, [1]);
    await tell((await ask(studyId))!.id, [2]);
    expect(await studyOf(tess, studyId)).toMatchObject({ status: 'COMPLETED', bestTrial: { number: 0 } });
  });

  it('runs failed trials again though its time is over, and goes on with the time that was left', async () => {
    const studyId = await createStudy({ stop: { maxTrials: 9, maxDurationMs: 6_000 } });
    const failed = (await ask(studyId))!;
    await tess.ok(TellTrialDocument, { input: { trialId: failed.id, outcome: 'FAILED', reason: 'It broke.' } });
    await tess.ok(CancelTuningDocument, { studyId });
    // Longer than the whole limit: the time in which the study had ended does not count.
    await pause(6_500);
    await tess.ok(ResumeTuningDocument, { studyId });
    await tell((await ask(studyId))!.id, [1]);
    await studyEnd(tess, studyId);
    await tess.ok(RetryFailedTrialsDocument, { studyId });
    const again = (await ask(studyId))!;
    expect(again.id).toBe(failed.id);
    await tell(again.id, [2]);
    expect(await studyOf(tess, studyId)).toMatchObject({ status: 'COMPLETED', trialCounts: { complete: 2 } });
    expect(await ask(studyId)).toBeNull();
  });

  it('forgets the curve of a lost trainer, and a repeated step is a sign of life', async () => {
    const studyId = await createStudy({ trialTimeoutMs: 3_000 });
    const report = (trialId: string, step: number) => tess.ok(ReportTrialDocument, { trialId, step, value: 1 });
    const lost = (await ask(studyId))!;
    await report(lost.id, 50);
    await pause(3_100);
    const found = (await ask(studyId))!;
    expect(found.id).toBe(lost.id);
    for (let i = 0; i < 4; i++) {
      await report(found.id, 1);
      await pause(1_000);
    }
    expect((await trialsOf(tess, studyId))[0]).toMatchObject({ status: 'RUNNING', reports: [{ step: 1, value: 1 }] });
  });

  it('takes a bounded number of values of a trial, and shows the newest', async () => {
    const studyId = await createStudy({ stop: { maxTrials: 1 } });
    const { id: trialId } = (await ask(studyId))!;
    await query(
      service,
      `update trial set report_steps = array(select generate_series(0, 9998)),
         report_values = array(select generate_series(0, 9998)::float8) where id = $1`,
      [trialId],
    );
    await tess.ok(ReportTrialDocument, { trialId, step: 9_999, value: 1 });
    expect(await tess.fails(ReportTrialDocument, { trialId, step: 10_000, value: 1 })).toMatchObject({
      message: expect.stringContaining('at most 10000 steps of one trial: report fewer') as string,
      extensions: { code: 'BAD_USER_INPUT', field: 'input.step' },
    });
    await tess.ok(ReportTrialDocument, { trialId, step: 9_999, value: 1 });
    const stepsOf = async (last?: number) =>
      (await tess.ok(ReportsOfTrialDocument, { id: trialId, last })).trial.reports.map(({ step }) => step);
    expect(await stepsOf(2)).toEqual([9_998, 9_999]);
    const usual = await stepsOf();
    expect([usual.length, usual[0]]).toEqual([1_000, 9_000]);
    expect(await stepsOf(10_000)).toHaveLength(10_000);
  });

  it('stops when no gain is expected, and says on which evidence', async () => {
    const noExpectedGain = { window: 3, minGain: 0.01 };
    const studyId = await createStudy({ stop: { maxTrials: 100, noExpectedGain } });
    const values = [5, 4, 3.99, 3.99, 3.99];
    for (const value of values) await tell((await ask(studyId))!.id, [value]);
    expect(await ask(studyId)).toBeNull();
    const { status, reason } = await studyOf(tess, studyId);
    expect(status).toBe('COMPLETED');
    expect(reason).toMatch(
      /last 3 trials improved the best value by 0\.00333 each on average, which is less than 0\.01/,
    );
    const more = await tess.fails(ExtendTuningDocument, { input: { studyId, moreTrials: 5 } });
    expect(more.extensions.code).toBe('CONFLICT');
    expect(more.message).toMatch(/nothing left to do: No gain is expected.*changeStopRule/);
    await tess.ok(ChangeStopRuleDocument, { input: { studyId, stop: { maxTrials: 6 } } });
    await tell((await ask(studyId))!.id, [1]);
    expect(await studyOf(tess, studyId)).toMatchObject({ status: 'COMPLETED', bestTrial: { values: [1] } });
  });

  it('expects no gain from what infeasible trials have shown', async () => {
    const noExpectedGain = { window: 2, minGain: 0.01 };
    const studyId = await createStudy({ stop: { maxTrials: 100, noExpectedGain } });
    await tell((await ask(studyId))!.id, [5]);
    await tell((await ask(studyId))!.id, [0], [1]);
    for (const value of [4, 3]) await tell((await ask(studyId))!.id, [value]);
    // With the infeasible 0 as the best value, the last two would have gained nothing.
    expect(await ask(studyId)).not.toBeNull();
  });

  it('prefers feasible trials', async () => {
    const studyId = await createStudy({ stop: { maxTrials: 2 } });
    await tell((await ask(studyId))!.id, [1], [0.5]);
    await tell((await ask(studyId))!.id, [2], [-0.5]);
    expect((await studyOf(tess, studyId)).bestTrial).toMatchObject({ number: 1, values: [2] });
  });

  it('begins with what earlier studies have found', async () => {
    const earlier = await createStudy({ stop: { maxTrials: 12 }, sampler: 'RANDOM', seed: 5 });
    for (let trial = await ask(earlier); trial; trial = await ask(earlier)) await tell(trial.id, [bowl(trial)]);
    const cold = (await ask(await createStudy({ sampler: 'TPE', seed: 9 })))!;
    const warm = (await ask(await createStudy({ sampler: 'TPE', seed: 9, warmStartFrom: [earlier] })))!;
    // Twelve trials are more than the ten random ones with which a TPE begins.
    expect(warm.params).not.toEqual(cold.params);
    const other = await tess.fails(CreateStudyDocument, {
      input: {
        ...{ experimentId, name: 'other', space: SPACE, stop: { maxTrials: 3 }, warmStartFrom: [earlier] },
        objectives: [{ metric: 'accuracy', direction: 'MAXIMIZE' }],
      },
    });
    expect(other.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.warmStartFrom[0]' });
  });

  it('is refused what does not fit', async () => {
    const studyId = await createStudy();
    const trial = (await ask(studyId))!;
    const cases: [object, string, string][] = [
      [{ trialId: trial.id }, 'BAD_USER_INPUT', 'input.values'],
      [{ trialId: trial.id, values: [1, 2] }, 'BAD_USER_INPUT', 'input.values'],
      [{ trialId: trial.id, outcome: 'FAILED', values: [1] }, 'BAD_USER_INPUT', 'input.values'],
    ];
    for (const [input, code, field] of cases) {
      const { extensions } = await tess.fails(TellTrialDocument, { input });
      expect(extensions, JSON.stringify(input)).toMatchObject({ code, field });
    }
    const several = await tess.fails(ReportTrialDocument, { trialId: trial.id, step: 1, values: [1, 2] });
    expect(several.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.value' });
    const back = await tess.fails(ReportTrialDocument, { trialId: trial.id, step: -1, value: 1 });
    expect(back.extensions.code).toBe('BAD_USER_INPUT');
  });
});

describe('a study of a tuning', () => {
  let datasetId: string;
  beforeAll(async () => {
    datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
  });

  it('is refused seeds that its repeats would exceed', async () => {
    const tuning = { experimentId, datasetId, name: 'wrong', space: RATES, stop: { maxTrials: 1 }, repeats: 3 };
    const inputs: [StartTuningInput, string][] = [
      [{ ...tuning, config: { ...SHORT_CONFIG, seed: null }, seed: 2 ** 31 - 2 }, 'input.seed'],
      [{ ...tuning, config: { ...SHORT_CONFIG, seed: 2 ** 31 - 1 } }, 'input.config.seed'],
    ];
    for (const [input, field] of inputs) {
      const { extensions } = await tess.fails(StartTuningDocument, { input });
      expect(extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        field,
        expected: expect.stringMatching(/2147483645/),
      });
    }
  });

  it('is refused fractions for a hyperparameter of whole numbers', async () => {
    const batchSize = { name: 'batchSize', low: 16, high: 64 };
    const { extensions } = await tess.fails(StartTuningDocument, {
      input: {
        ...{ experimentId, datasetId, name: 'wrong', config: SHORT_CONFIG, stop: { maxTrials: 1 } },
        space: { parameters: [{ ...batchSize, kind: 'FLOAT' }] },
      },
    });
    expect(extensions).toMatchObject({
      ...{ code: 'BAD_USER_INPUT', field: 'input.space.parameters[0]' },
      expected: expect.stringMatching(/batchSize/),
    });
  });

  it('is not driven from outside', async () => {
    const { studyId } = await startTuning(tess, { experimentId, datasetId, stop: { maxTrials: 1 } });
    const { extensions, message } = await tess.fails(AskTrialDocument, { studyId });
    expect(extensions.code).toBe('CONFLICT');
    expect(message).toMatch(/driven by its tuning job/);
  });
});

describe('what the trials of a study show together', () => {
  it('history, Pareto front, coordinates, contour and importance', async () => {
    const studyId = await createStudy({
      space: { parameters: [...SPACE.parameters, { name: 'idle', kind: 'CATEGORICAL', choices: ['a', 'b'] }] },
      ...{ sampler: 'RANDOM', stop: { maxTrials: 60 }, seed: 2 },
    });
    const values: number[] = [];
    for (let trial = await ask(studyId); trial; trial = await ask(studyId)) {
      const { x, y } = trial.params as { x: number; y: number };
      values.push(10 * x ** 2 + y ** 2);
      await tell(trial.id, [values.at(-1)!]);
    }
    const { study } = await tess.ok(StudyAnalysisDocument, { id: studyId, x: 'x', y: 'y' });
    expect(study.history.map(({ value }) => value)).toEqual(values);
    expect(study.history.map(({ best }) => best)).toEqual(values.map((_, i) => Math.min(...values.slice(0, i + 1))));
    expect(study.paretoFront.map(({ values: of }) => of)).toEqual([[Math.min(...values)]]);
    expect(study.parallelCoordinates.axes.map(({ key, source }) => `${source} ${key}`)).toEqual([
      ...['PARAMETER x', 'PARAMETER y', 'PARAMETER idle', 'METRIC loss'],
    ]);
    expect(study.parallelCoordinates.lines).toHaveLength(60);
    expect(study.contour.points.map(({ value }) => value)).toEqual(values);
    expect(study.contour.points.every(({ x, y }) => x >= 0 && x <= 1 && y >= 0 && y <= 1)).toBe(true);
    const { study: important } = await tess.ok(StudyImportanceDocument, { id: studyId });
    const shares = new Map(important.parameterImportance.params.map(({ key, importance }) => [key, importance]));
    expect(important.parameterImportance).toMatchObject({ metric: 'loss', trialCount: 60 });
    expect(shares.get('x')!).toBeGreaterThan(0.7);
    expect(shares.get('idle') ?? 0).toBeLessThan(0.1);
    const among = important.importanceAmongBest;
    expect([among.trialCount, among.params[0]!.name, among.params.length]).toEqual([60, 'x', 3]);
    expect(among.params.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  });

  it('a Pareto front of several objectives, and no single best trial', async () => {
    const studyId = await createStudy({
      objectives: [BEST, { metric: 'accuracy', direction: 'MAXIMIZE' }],
      stop: { maxTrials: 4 },
    });
    // The third is worse than the first in both; the fourth is not feasible.
    const results: [number[], number[]?][] = [[[1, 0.5]], [[2, 0.9]], [[1.5, 0.4]], [[0, 1], [1]]];
    for (const [values, violations] of results) await tell((await ask(studyId))!.id, values, violations);
    const { study } = await tess.ok(StudyAnalysisDocument, { id: studyId, x: 'x', y: 'y' });
    expect(study.paretoFront.map(({ number }) => number)).toEqual([0, 1]);
    expect((await studyOf(tess, studyId)).bestTrial).toBeNull();
    const modelId = await createModel(tess);
    const { extensions } = await tess.fails(RegisterBestTrialDocument, { input: { studyId, modelId } });
    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.trial' });
  });
});
