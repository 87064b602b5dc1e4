import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  FollowJobDocument,
  FollowRunMetricsDocument,
  FollowStudyDocument,
  RunFilesDocument,
  SearchRunLogsDocument,
  StartTrainingDocument,
  StartTuningDocument,
} from '../../schema/generated/operations.js';
import {
  CancelJobDetailsDocument,
  CancelTuningDocument,
  ModelVersionsDetailsDocument,
  RegisterBestTrialDocument,
  ResumeTrainingDetailsDocument,
  ResumeTuningDocument,
  RunLogsSeqLineDocument,
  type Algorithm,
  type StartTrainingInput,
  type TrainingBackend,
  type TrainingConfigInput,
} from '../generated/operations.js';
import { createModel, evaluate } from '../support/registry.js';
import type { Caller } from '../support/service.js';
import {
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingWhen,
  vegaPath,
} from '../support/training.js';
import { startTuning, studyEnd, studyWhen, trialsOf } from '../support/tuning.js';

export interface TrainingBackendUnderTest {
  backend: TrainingBackend;
  /** A classifier by boosted trees that runs there; `epochs` trees with the parameter `learningRate`. */
  algorithm: Algorithm;
  open(): Promise<{ tess: Caller; close(): Promise<void> }>;
  /** The longest time of a start of the service with all it needs. */
  openMs: number;
  /** The longest time until one short training has ended. */
  trainingMs: number;
  /** Epochs of a training that still runs when it is cancelled after its first checkpoint. */
  longEpochs: number;
}

const READY = { timeout: 60_000, interval: 100 };
/** With them, the loss hardly changes. */
const HOPELESS_RATES = [1e-7, 2e-7];

/** What every place where trainings run must do: runs, metrics, checkpoints, versions, subscriptions are the same. */
export function trainingBackendContract(under: TrainingBackendUnderTest): void {
  const { backend, algorithm, open, openMs, trainingMs, longEpochs } = under;

  describe(`trainings on ${backend}`, () => {
    let tess: Caller;
    let close: (() => Promise<void>) | undefined;
    let ids: { experimentId: string; datasetId: string };
    beforeAll(async () => {
      ({ tess, close } = await open());
      ids = {
        experimentId: await createExperiment(tess),
        datasetId: await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') }),
      };
    }, openMs);
    afterAll(() => close?.());

    /** The origin of a car, three classes. */
    const config = (epochs: number, rest: Partial<TrainingConfigInput> = {}): TrainingConfigInput => ({
      algorithm,
      target: { column: 'Origin' },
      features: [
        { column: 'Horsepower', kind: 'NUMERIC' },
        { column: 'Weight_in_lbs', kind: 'NUMERIC' },
        { column: 'Miles_per_Gallon', kind: 'NUMERIC' },
        { column: 'Cylinders', kind: 'CATEGORICAL' },
        { column: 'Year', kind: 'TIMESTAMP' },
      ],
      split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
      hyperparameters: { epochs },
      seed: 7,
      ...rest,
    });
    const start = (input: Omit<StartTrainingInput, 'experimentId' | 'datasetId'> & { datasetId?: string }) =>
      startTraining(tess, { ...ids, backend, ...input });
    const linesOf = async (runId: string) =>
      (await tess.ok(SearchRunLogsDocument, { runId, last: 500 })).run.logs.nodes.map(({ line }) => line);

    it(
      'end as a finished run with live metrics, progress and log, checkpoints, files and a checked version',
      async () => {
        const registerModelId = await createModel(tess, { modelType: algorithm });
        const training = config(30, { checkpointEveryEpochs: 10 });
        const { jobId, runId } = await start({ config: training, registerModelId });
        const metrics = tess.collect(
          FollowRunMetricsDocument,
          { runId, after: 0 },
          (seen) => seen.some(({ key }) => key === 'holdout.accuracy'),
          trainingMs,
        );
        const progress = tess.collect(FollowJobDocument, { jobId }, () => false, trainingMs);
        const job = await trainingEnd(tess, jobId, 'SUCCEEDED', trainingMs);

        const losses = (await metrics).filter(({ key }) => key === 'validation.loss');
        expect(losses.map(({ step }) => step)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
        const seen = await progress;
        expect(seen.at(-1)).toMatchObject({ status: 'SUCCEEDED', progress: 1 });
        const fractions = seen.map((step) => step.progress);
        expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
        expect(new Set(seen.map(({ status }) => status))).toContain('RUNNING');

        expect(job).toMatchObject({ attempt: 1, run: { status: 'FINISHED' } });
        expect(job.result!).toMatchObject({ epochsRun: 30, config: { algorithm } });
        expect(job.result!.agreementMaxAbsDiff).toBeLessThanOrEqual(1e-4);
        expect(job.result!.metrics['holdout.accuracy']).toBeGreaterThan(0.6);
        expect(job.checkpoints.map(({ epoch }) => epoch)).toEqual(expect.arrayContaining([20]));
        for (const { attempt, sizeBytes, sha256 } of job.checkpoints)
          expect([attempt, sizeBytes > 100, sha256]).toEqual([1, true, expect.stringMatching(/^[0-9a-f]{64}$/)]);
        const lines = await linesOf(runId);
        expect(lines[0]).toMatch(/^attempt 1 on cars, version 1/);
        for (let epoch = 1; epoch <= 30; epoch++)
          expect(lines.filter((line) => line.startsWith(`epoch ${epoch} of 30:`))).toHaveLength(1);
        const live = await tess.collect(RunLogsSeqLineDocument, { runId, after: 0 }, (all) =>
          all.some(({ line }) => line.startsWith('epoch 30 of 30')),
        );
        expect(live.map(({ line }) => line)).toEqual(lines.slice(0, live.length));
        const { run } = await tess.ok(RunFilesDocument, { runId });
        expect(run.artifacts.map(({ path }) => path).toSorted()).toEqual([
          'logs/attempt-1.log',
          'metrics/history.json',
          'model/model.onnx',
        ]);

        const versions = async () =>
          (await tess.ok(ModelVersionsDetailsDocument, { filter: { modelId: registerModelId } })).modelVersions.nodes;
        await expect.poll(async () => (await versions()).map(({ status }) => status), READY).toEqual(['READY']);
        const [version] = await versions();
        expect(version).toMatchObject({
          ...{ version: 1, framework: 'onnx', sha256: job.result!.sha256, run: { id: runId } },
        });
        // The rows of the holdout are read once more, and the version answers them as the training has measured it.
        const judged = await evaluate(tess, { modelVersionId: version!.id });
        expect(judged.result).toMatchObject({
          metrics: expect.objectContaining({
            accuracy: expect.closeTo(job.result!.metrics['holdout.accuracy']!, 9),
            log_loss: expect.closeTo(job.result!.metrics['holdout.log_loss']!, 6),
          }),
        });
      },
      3 * trainingMs,
    );

    it(
      'are cancelled, and resumed from the last checkpoint, with every epoch once',
      async () => {
        const training = config(longEpochs, { checkpointEveryEpochs: 10 });
        const { jobId, runId } = await start({ config: training });
        await trainingWhen(tess, jobId, ({ checkpoints }) => checkpoints.length > 0, trainingMs);
        const cancelled = await tess.ok(CancelJobDetailsDocument, { input: { jobId } });
        expect(cancelled.cancelJob.job).toEqual({ id: jobId, status: 'CANCELLED' });
        const { run, checkpoints } = await trainingEnd(tess, jobId, 'CANCELLED');
        expect(run.status).toBe('KILLED');
        const resumed = await tess.ok(ResumeTrainingDetailsDocument, { input: { jobId } });
        expect(resumed.resumeTraining).toMatchObject({
          job: { status: 'QUEUED', attempt: 2 },
          run: { status: 'QUEUED' },
        });
        const job = await trainingEnd(tess, jobId, 'SUCCEEDED', 2 * trainingMs);
        expect(job).toMatchObject({
          attempt: 2,
          run: { id: runId, status: 'FINISHED' },
          result: { epochsRun: longEpochs },
        });
        const lines = await linesOf(runId);
        const from = Math.max(...checkpoints.map(({ epoch }) => epoch));
        expect(lines.filter((line) => line.startsWith('continued from the checkpoint of epoch'))).toEqual([
          expect.stringContaining(`epoch ${from}`),
        ]);
        const points = await tess.collect(
          FollowRunMetricsDocument,
          { runId, after: 0 },
          (all) => all.some(({ key }) => key === 'holdout.accuracy'),
          trainingMs,
        );
        const steps = points.filter(({ key }) => key === 'validation.loss').map(({ step }) => step!);
        expect([...new Set(steps)].toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: longEpochs }, (_, i) => i + 1),
        );
      },
      5 * trainingMs,
    );

    it('refuse wrong input before anything runs, and name the field', async () => {
      const refused = async (change: Partial<TrainingConfigInput>, rest: object = {}) =>
        (await tess.fails(StartTrainingDocument, { input: { ...ids, backend, config: config(5, change), ...rest } }))
          .extensions;
      const wrong = { code: 'BAD_USER_INPUT' };
      const feature = { column: 'Horsepower', kind: 'NUMERIC' as const };
      expect(await refused({ target: { column: 'Color' } })).toMatchObject({
        ...{ ...wrong, field: 'input.config.target.column' },
      });
      expect(await refused({ features: [feature, { column: 'Origin', kind: 'CATEGORICAL' }] })).toMatchObject(wrong);
      expect(await refused({ features: [{ ...feature, column: 'Power' }] })).toMatchObject({
        ...{ ...wrong, field: 'input.config.features[0].column' },
      });
      expect(await refused({ hyperparameters: { epochs: 0 } })).toMatchObject({
        ...{ ...wrong, field: 'input.config.hyperparameters.epochs' },
      });
      expect(await refused({ hyperparameters: { depth: 3 } })).toMatchObject({
        ...{ ...wrong, field: 'input.config.hyperparameters.depth' },
      });
      const absent = '00000000-0000-4000-8000-000000000000';
      expect(await refused({}, { datasetId: absent })).toMatchObject({ code: 'NOT_FOUND' });
      expect(await refused({}, { job: { gpus: 1 } })).toMatchObject({ ...wrong, field: 'input.job.gpus' });
    });

    it(
      'fail with the reason in the run when the data cannot be trained on',
      async () => {
        const csv = `kind,size\n${Array.from({ length: 60 }, (_, i) => `same,${i}`).join('\n')}\n`;
        const { uploadId } = await tess.upload('one-class.csv', csv);
        const datasetId = await registerDataset(tess, { name: 'one-class', uploadId });
        const one = config(5, { target: { column: 'kind' }, features: [{ column: 'size', kind: 'NUMERIC' }] });
        const input = { ...ids, backend, datasetId, config: one };
        const { data, errors } = await tess.send(StartTrainingDocument, { input });
        // A profile may show it at once; the rows show it in any case.
        if (errors) expect(errors[0]!.extensions.code).toBe('BAD_USER_INPUT');
        else {
          const job = await trainingEnd(tess, data!.startTraining.job.id, 'FAILED', trainingMs);
          expect(job).toMatchObject({ attempt: 1, errorCode: 'BAD_USER_INPUT', run: { status: 'FAILED' } });
          expect(job.errorMessage).toMatch(/class/);
          expect((await linesOf(job.run.id)).at(-1)).toMatch(/^attempt 1 failed: /);
        }
      },
      2 * trainingMs,
    );

    it(
      'are the trials of a tuning: nested runs, followed live, hopeless ones stopped, the best becomes a version',
      async () => {
        const rates = [0.3, ...HOPELESS_RATES, 0.1];
        const { studyId } = await startTuning(tess, {
          ...{ ...ids, backend, config: config(40) },
          space: { parameters: [{ name: 'learningRate', kind: 'CATEGORICAL', choices: rates }] },
          enqueuedTrials: rates.map((learningRate) => ({ learningRate })),
          stop: { maxTrials: 4 },
          parallelTrials: 1,
          pruner: { kind: 'ASHA', minSteps: 5, reduction: 2 },
        });
        const live = tess.collect(FollowStudyDocument, { studyId }, () => false, 4 * trainingMs);
        const study = await studyEnd(tess, studyId, 'COMPLETED', 4 * trainingMs);
        const trials = await trialsOf(tess, studyId);
        expect(trials.slice(0, 3).map(({ status }) => status)).toEqual(['COMPLETE', 'PRUNED', 'PRUNED']);
        expect(study.trialCounts).toMatchObject({ running: 0, failed: 0 });
        for (const { reason, reports, runs } of trials.slice(1, 3)) {
          expect(reason).toMatch(/other trials are better; the best/);
          expect(reports.length).toBeLessThan(40);
          expect(runs).toMatchObject([{ run: { status: 'KILLED' }, job: { status: 'CANCELLED' } }]);
        }
        expect(trials[0]!.reports.map(({ step }) => step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
        const last = new Map((await live).map((update) => [update.number, update.status]));
        expect([...last].toSorted(([a], [b]) => a - b).map(([, status]) => status)).toEqual(
          trials.map(({ status }) => status),
        );
        expect([0, 3]).toContain(study.bestTrial!.number);
        const modelId = await createModel(tess, { modelType: algorithm });
        const { registerBestTrial } = await tess.ok(RegisterBestTrialDocument, { input: { studyId, modelId } });
        expect(registerBestTrial).toMatchObject({
          trial: { number: study.bestTrial!.number },
          modelVersion: { version: 1 },
        });
      },
      5 * trainingMs,
    );

    it(
      'are cancelled with their tuning, and go on with it from their checkpoints',
      async () => {
        const { studyId } = await startTuning(tess, {
          ...{ ...ids, backend, config: config(longEpochs, { checkpointEveryEpochs: 10 }) },
          space: { parameters: [{ name: 'learningRate', kind: 'FLOAT', low: 0.05, high: 0.3 }] },
          stop: { maxTrials: 1 },
        });
        await studyWhen(tess, studyId, ({ trialCounts }) => trialCounts.running === 1, trainingMs);
        const [trial] = await trialsOf(tess, studyId);
        const jobId = trial!.runs[0]!.job!.id;
        await trainingWhen(tess, jobId, ({ checkpoints }) => checkpoints.length > 0, trainingMs);
        await tess.ok(CancelTuningDocument, { studyId });
        await trainingEnd(tess, jobId, 'CANCELLED');
        await tess.ok(ResumeTuningDocument, { studyId });
        await studyEnd(tess, studyId, 'COMPLETED', 2 * trainingMs);
        expect(await trialsOf(tess, studyId)).toMatchObject([
          {
            id: trial!.id,
            status: 'COMPLETE',
            runs: [{ job: { id: jobId, attempt: 2 }, run: { status: 'FINISHED' } }],
          },
        ]);
        expect(await linesOf(trial!.runs[0]!.run!.id)).toContainEqual(
          expect.stringContaining('continued from the checkpoint of epoch'),
        );
      },
      5 * trainingMs,
    );

    it('of a tuning refuse wrong input before any trial', async () => {
      const refused = async (change: object) =>
        (
          await tess.fails(StartTuningDocument, {
            input: { ...ids, backend, name: 'wrong', config: config(5), stop: { maxTrials: 2 }, ...change },
          })
        ).extensions;
      const unknown = { parameters: [{ name: 'depth', kind: 'INTEGER', low: 1, high: 3 }] };
      expect(await refused({ space: unknown })).toMatchObject({
        ...{ code: 'BAD_USER_INPUT', field: 'input.space.parameters[0]' },
      });
      expect(await refused({ config: config(5, { target: { column: 'Color' } }) })).toMatchObject({
        ...{ code: 'BAD_USER_INPUT', field: 'input.config.target.column' },
      });
      expect(await refused({ stop: { maxTrials: 0 } })).toMatchObject({ code: 'BAD_USER_INPUT' });
    });
  });
}
