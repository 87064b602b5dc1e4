import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  vegaPath,
} from '../support/training.js';
import { FollowRunLogsDocument } from '../../schema/generated/operations.js';
import { RunForTrainingLogsDocument } from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ SYSTEM_METRICS_INTERVAL_MS: '50' });
  tess = await service.as();
});
afterAll(() => service?.close());

const seen = async (id: string) => (await tess.ok(RunForTrainingLogsDocument, { id })).run;

describe('a training', () => {
  it('writes to the log of its run what it does, and the load of the machine', async () => {
    const experimentId = await createExperiment(tess);
    const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
    const config = { ...CARS_CONFIG, hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 150 } };
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config });
    const live = await tess.collect(FollowRunLogsDocument, { runId, after: 0 }, (items) => items.length === 4);
    expect(live[0]!.line).toMatch(/^attempt 1 on cars, version 1, SHA-256 /);
    expect(live[1]!.line).toMatch(/^epoch 1 of 150: train\.loss=/);
    await trainingEnd(tess, jobId);
    const { logs, metrics } = await seen(runId);
    // After the last line come the warnings of the training, which its run shows too.
    const said = logs.nodes.filter(({ line }) => !line.startsWith('warning '));
    expect(
      said
        .map(({ line }) => line)
        .slice(1, -1)
        .every((line) => line.startsWith('epoch ')),
    ).toBe(true);
    expect(said.at(-1)).toMatchObject({ line: expect.stringMatching(/^trained 150 epochs/), stream: 'SYSTEM' });
    expect(said).toHaveLength(152);
    const usage = Object.fromEntries(
      metrics.filter(({ key }) => key.startsWith('system/')).map(({ key, value }) => [key, value]),
    );
    expect(Object.keys(usage)).toEqual(
      expect.arrayContaining([
        'system/cpu_utilization_percentage',
        'system/system_memory_usage_megabytes',
        'system/system_memory_usage_percentage',
      ]),
    );
    expect(usage['system/system_memory_usage_megabytes']).toBeGreaterThan(10);
    if (process.platform === 'linux') expect(usage['system/process_memory_usage_megabytes']).toBeGreaterThan(10);
    for (const [key, value] of Object.entries(usage).filter(([name]) => name.endsWith('percentage'))) {
      expect(value, key).toBeGreaterThanOrEqual(0);
      expect(value, key).toBeLessThanOrEqual(100);
    }
  });

  it('that fails writes the reason to the log of its run', async () => {
    const experimentId = await createExperiment(tess);
    const datasetId = await registerDataset(tess, { name: 'cars-again', path: vegaPath('cars.json') });
    const config = {
      ...CARS_CONFIG,
      hyperparameters: { epochs: 50, learningRate: 10, hiddenLayers: Array<number>(8).fill(256) },
    };
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config });
    await trainingEnd(tess, jobId, 'FAILED');
    const { logs } = await seen(runId);
    expect(logs.nodes.at(-1)!.line).toMatch(
      /^attempt 1 failed: config\.hyperparameters\.learningRate: expected a smaller value/,
    );
  });
});
