import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childPids, isAlive, stopChild } from '../support/children.js';
import { newExperiment, newRunOf } from '../support/runs.js';
import { MlflowCaller } from '../support/mlflow.js';
import { createModel, jobEnd, register, registerUpload, trainTumours } from '../support/registry.js';
import { predict, serve, xToY } from '../support/serving.js';
import { linear } from '../fixtures/models/build.js';
import {
  EvaluateModelVersionDetailsDocument,
  JobsDetailsDocument,
  ParameterImportanceDetailsDocument,
  PredictDetailsDocument,
  RunForTrainingLogsDocument,
} from '../generated/operations.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingWhen,
  vegaPath,
} from '../support/training.js';

const HEARTBEAT_TIMEOUT_MS = 3_000;
const POLL = { timeout: 20_000, interval: 5 };
const HOST = 'onnx/host-main.js';
const READER = 'dataset-files/reader-child.js';
const EVALUATION = 'evaluator/evaluation-child.js';
const SEVEN = { name: 'x', datatype: 'FP32' as const, shape: [1, 1], data: [7] };
let folder: string;
let service: TestService;
let tess: Caller;
let other: Caller;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'matih-stopped-'));
  service = await startTestService({
    CONVERSION_SANDBOX: 'process',
    PYTHON_PATH: await writePython(folder),
    JOB_HEARTBEAT_TIMEOUT_MS: String(HEARTBEAT_TIMEOUT_MS),
    RECONCILE_INTERVAL_MS: '300',
    WORKER_CONCURRENCY: '1',
    PREDICT_DEADLINE_MS: '20000',
    INFERENCE_HOSTS: '2',
    DATASET_DIRS: vegaPath(''),
    LOG_LEVEL: 'silent',
  });
  tess = await service.as();
  other = await service.as({ tenant: 'other' });
});
afterAll(async () => {
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

const LONG_CONFIG = {
  ...CARS_CONFIG,
  hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 200 },
  checkpointEveryEpochs: 5,
};

describe('a process that is stopped, as by SIGSTOP', () => {
  it('of a training: it counts as lost, and the next attempt continues from its checkpoint, to the same model', async () => {
    const experimentId = await createExperiment(tess);
    const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
    const whole = await startTraining(tess, { experimentId, datasetId, config: LONG_CONFIG });
    const expected = (await trainingEnd(tess, whole.jobId)).result!.sha256;

    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config: LONG_CONFIG });
    const theirs = {
      experimentId: await createExperiment(other),
      datasetId: await registerDataset(other, { name: 'cars', path: vegaPath('cars.json') }),
      config: CARS_CONFIG,
    };
    await trainingWhen(tess, jobId, ({ checkpoints }) => (checkpoints[0]?.epoch ?? 0) >= 15);
    const pid = await stopChild('training/local-child.js');
    const stoppedAt = Date.now();
    // The only worker is busy with a stopped process.
    const waiting = await startTraining(other, theirs);
    await trainingWhen(tess, jobId, ({ attempt }) => attempt === 2);
    const lostMs = Date.now() - stoppedAt;
    expect(isAlive(pid)).toBe(false);
    await trainingEnd(other, waiting.jobId);
    const otherMs = Date.now() - stoppedAt;
    const job = await trainingEnd(tess, jobId);
    expect(job).toMatchObject({ attempt: 2, status: 'SUCCEEDED' });
    expect(job.result!.sha256).toBe(expected);
    const { run } = await tess.ok(RunForTrainingLogsDocument, { id: runId });
    const lines = run.logs.nodes.map(({ line }) => line);
    expect(lines).toContain('attempt 1 failed: The training process gave no sign of life and was ended.');
    const resumedFrom = Number(lines.join('\n').match(/continued from the checkpoint of epoch (\d+)/)?.[1]);
    expect(resumedFrom).toBeGreaterThanOrEqual(15);
    console.log(
      `training stopped: lost after ${lostMs} ms, another tenant's training done after ${otherMs} ms, ` +
        `resumed from epoch ${resumedFrom}, same model`,
    );
    expect(lostMs).toBeLessThan(3 * HEARTBEAT_TIMEOUT_MS);
  });

  it('of an evaluation, or of the models that it runs: it counts as lost, or goes on at once', async () => {
    const { runId, datasetId } = await trainTumours(tess);
    const { id: modelVersionId } = await register(tess, { modelId: await createModel(tess), runId });
    const evaluate = async () =>
      (await tess.ok(EvaluateModelVersionDetailsDocument, { input: { modelVersionId, datasetId } }))
        .evaluateModelVersion.job.id;
    const jobId = await evaluate();
    await stopChild(EVALUATION);
    expect(await jobEnd(tess, jobId)).toMatchObject({ status: 'SUCCEEDED', attempt: 2 });

    const except = childPids(EVALUATION);
    const second = await evaluate();
    const evaluationOf = () => childPids(EVALUATION).find((pid) => !except.includes(pid));
    await expect.poll(evaluationOf, POLL).toBeDefined();
    await stopChild(HOST, { parentPid: evaluationOf()! });
    expect(await jobEnd(tess, second)).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
  });

  it('of an analysis: who asked is told, and may ask again', async () => {
    const experimentId = await newExperiment(tess);
    for (let i = 0; i < 12; i++)
      await newRunOf(tess, experimentId, {
        params: { depth: String(i % 4), seed: String(i % 3) },
        metrics: [{ key: 'loss', value: i % 4 }],
      });
    const input = { filter: { experimentIds: [experimentId] }, metricKey: 'loss' };
    const [refusal] = await Promise.all([
      tess.fails(ParameterImportanceDetailsDocument, { input }),
      stopChild('evaluator/importance-child.js'),
    ]);
    expect(refusal).toMatchObject({
      message: 'The analysis process gave no sign of life and was ended.',
      extensions: { code: 'UNAVAILABLE' },
    });
    const { parameterImportance } = await tess.ok(ParameterImportanceDetailsDocument, { input });
    expect(parameterImportance.runCount).toBe(12);
  });

  it('that reads a file: who sent it is told, and others are read meanwhile', async () => {
    // A process of previews is kept for a while, and is not the one that reads this file.
    const except = childPids(READER);
    const reading = registerDataset(tess, { name: 'stopped', path: vegaPath('iowa-electricity.csv') });
    reading.catch(() => undefined);
    await stopChild(READER, { except });
    await registerDataset(other, { name: 'meanwhile', path: vegaPath('iowa-electricity.csv') });
    await expect(reading).rejects.toThrow('The dataset process gave no sign of life and was ended.');
    await registerDataset(tess, { name: 'again', path: vegaPath('iowa-electricity.csv') });
  });

  it('that tries a new model: who registered it is told, and the model is not blamed', async () => {
    const modelId = await createModel(tess, { task: 'OTHER' });
    const except = childPids('--jitless');
    const registering = registerUpload(tess, modelId, linear([2], 0));
    registering.catch(() => undefined);
    await stopChild('--jitless', { except });
    await expect(registering).rejects.toThrow('The model check process gave no sign of life and was ended.');
    await registerUpload(tess, modelId, linear([2], 0));
  });

  it('that serves: its requests are answered by another or end within their deadline, others go on', async () => {
    const times = (weight: number) => ({ bytes: linear([weight], 0), signature: xToY(1) });
    const two = await serve(service, tess, times(2));
    const three = await serve(service, other, { ...times(3), tenant: 'other' });
    const ask = (caller: Caller, endpointId: string, deadlineMs: number) =>
      predict(caller, { endpointId, tensors: [SEVEN], deadlineMs }).then(({ outputs }) => outputs[0]!.data[0]);
    await expect.poll(() => childPids(HOST).length, POLL).toBe(2);
    const hosts = childPids(HOST);

    // One stands still: who is given to it waits for another, and those beside it do not.
    process.kill(hosts[0]!, 'SIGSTOP');
    const begun = performance.now();
    let slowestMs = 0;
    let answers = 0;
    while (isAlive(hosts[0]!) && performance.now() - begun < 10_000) {
      const asked = performance.now();
      const both = [ask(tess, two.endpointId, 8_000), ask(other, three.endpointId, 8_000)];
      expect(await Promise.all(both)).toEqual([14, 21]);
      slowestMs = Math.max(slowestMs, performance.now() - asked);
      answers += 2;
    }
    console.log(
      `a host stopped: replaced after ${(performance.now() - begun).toFixed(0)} ms, ${answers} answers meanwhile, ` +
        `slowest ${slowestMs.toFixed(0)} ms`,
    );
    await expect.poll(() => childPids(HOST).filter((pid) => pid !== hosts[0]).length, POLL).toBe(2);

    expect(childPids(HOST)).toContain(hosts[1]);

    // All stand still: a request ends with its deadline, and its model is served again at once.
    for (const pid of childPids(HOST)) process.kill(pid, 'SIGSTOP');
    const late = performance.now();
    const refusal = await tess.fails(PredictDetailsDocument, {
      input: { endpointId: two.endpointId, tensors: [SEVEN], deadlineMs: 700 },
    });
    const lateMs = performance.now() - late;
    expect(refusal).toMatchObject({ extensions: { code: 'DEADLINE_EXCEEDED' } });
    console.log(`all hosts stopped: a request of 700 ms ended after ${lateMs.toFixed(0)} ms`);
    expect(lateMs).toBeLessThan(2_000);
    expect(await ask(tess, two.endpointId, 20_000)).toBe(14);
    expect(await ask(other, three.endpointId, 20_000)).toBe(21);
  });

  it('that converts a model: it counts as lost, and the next attempt converts', async () => {
    const jobId = await registerSklearn(tess, 'converted');
    // Before, the second conversion would be the one that never ends.
    await expect.poll(() => existsSync(join(folder, 'begun')), { timeout: 15_000 }).toBe(true);
    const pid = await stopChild('request.json');
    expect(await jobEnd(tess, jobId)).toMatchObject({ status: 'SUCCEEDED', attempt: 2 });
    expect(isAlive(pid)).toBe(false);
  });
});

/** A version with files of scikit-learn; gives the job that converts it. */
async function registerSklearn(caller: Caller, name: string): Promise<string> {
  const { url, token } = caller;
  const mlflow = new MlflowCaller(url, token);
  const runId = await mlflow.newRun();
  await fetch(`${url}/api/2.0/mlflow-artifacts/artifacts/0/${runId}/artifacts/model/MLmodel`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: 'flavors: { sklearn: { pickled_model: model.pkl } }',
  });
  await mlflow.post('registered-models/create', { name });
  await mlflow.post('model-versions/create', { name, source: `runs:/${runId}/model`, run_id: runId });
  const { jobs } = await caller.ok(JobsDetailsDocument, { filter: { kind: 'CONVERSION' } });
  return jobs.nodes[0]!.id;
}

/** A program in the place of Python: its first conversion never ends, the second says that it converted. */
async function writePython(into: string): Promise<string> {
  const outcome = {
    state: 'CONVERTED',
    framework: 'sklearn',
    frameworkVersion: '1',
    converter: 'test 1',
    opsets: {},
    precision: 'single',
    sampleRows: 1,
    sampleSource: 'GENERATED',
    maxAbsDiff: 0,
    maxScaledDiff: 0,
  };
  await writeFile(join(into, 'model.onnx'), linear([1, 2], 3));
  await writeFile(join(into, 'result.json'), JSON.stringify(outcome));
  const lines = [
    '#!/bin/sh',
    '[ "$1" = -c ] && exit 0',
    `mkdir '${into}/begun' 2>/dev/null && while :; do :; done`,
    `cp '${into}/model.onnx' "$(dirname "$5")/model.onnx" && cp '${into}/result.json' "$5"`,
  ];
  const path = join(into, 'python');
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o755 });
  return path;
}
