import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, stopChild } from '../support/children.js';
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
let service: TestService;
let tess: Caller;
let other: Caller;

beforeAll(async () => {
  service = await startTestService({
    JOB_HEARTBEAT_TIMEOUT_MS: String(HEARTBEAT_TIMEOUT_MS),
    RECONCILE_INTERVAL_MS: '300',
    WORKER_CONCURRENCY: '1',
    DATASET_DIRS: vegaPath(''),
    LOG_LEVEL: 'silent',
  });
  tess = await service.as();
  other = await service.as({ tenant: 'other' });
});
afterAll(() => service?.close());

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
    const { run } = await tess.ok<{ run: { logs: { nodes: { line: string }[] } } }>(
      'query ($id: ID!) { run(id: $id) { logs(first: 500) { nodes { line } } } }',
      { id: runId },
    );
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
});
