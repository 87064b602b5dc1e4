import { fork } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { trainingConfigSchema } from '../../src/modules/algorithms/rules/training-config.js';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { tableOf } from '../support/tables.js';
import {
  type ConfigInput,
  ensureBuilt,
  fixturePath,
  sha256Of,
  start,
  temporaryFolder,
  trainModel,
  vegaPath,
} from './support.js';

const cars = await tableOf(vegaPath('cars.json'), 'JSON');
const iris = await tableOf(fixturePath('iris.csv'), 'CSV');

const network: ConfigInput = {
  algorithm: 'MLP_REGRESSOR',
  target: { column: 'Miles_per_Gallon' },
  features: [
    { column: 'Horsepower', kind: 'NUMERIC' },
    { column: 'Weight_in_lbs', kind: 'NUMERIC' },
    { column: 'Origin', kind: 'CATEGORICAL' },
    { column: 'Year', kind: 'TIMESTAMP' },
  ],
  split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
  hyperparameters: { epochs: 12, batchSize: 16, learningRate: 0.01, hiddenLayers: [16, 8] },
  seed: 7,
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 20) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('The condition did not come true within 10 s.');
}

describe('a local training', () => {
  beforeAll(ensureBuilt, 60_000);

  it('gives the same bytes for the same seed, and others for another', async () => {
    const [first, second, other] = [
      await trainModel(cars, network),
      await trainModel(cars, network),
      await trainModel(cars, { ...network, seed: 8 }),
    ];
    expect(sha256Of(second.outcome.modelPath)).toBe(sha256Of(first.outcome.modelPath));
    expect(second.epochs).toEqual(first.epochs);
    expect(sha256Of(other.outcome.modelPath)).not.toBe(sha256Of(first.outcome.modelPath));
  });

  it.each<[string, Table, ConfigInput]>([
    ['network with early stopping', cars, { ...network, earlyStopping: { patience: 20 } }],
    [
      'network with dropout, batch normalisation, an embedding and momentum, on a plateau',
      cars,
      {
        ...network,
        hyperparameters: {
          ...{ epochs: 12, batchSize: 16, hiddenLayers: [16, 8], optimizer: 'SGD', nesterov: true, learningRate: 0.05 },
          ...{ dropout: 0.2, batchNormalization: true, embeddingFrom: 3, embeddingSize: 2, gradientClipNorm: 1 },
          ...{ schedule: 'PLATEAU', decayEpochs: 1, decayFactor: 0.5, warmupEpochs: 1.5 },
        },
        earlyStopping: { patience: 20 },
      },
    ],
    [
      'boosted trees on drawn rows',
      cars,
      {
        ...network,
        algorithm: 'BOOSTED_TREES_REGRESSOR',
        hyperparameters: { epochs: 40, rowShare: 0.7, featureShare: 0.6, minLeafRows: 5 },
      },
    ],
    [
      'k-means',
      iris,
      {
        algorithm: 'KMEANS',
        features: [
          { column: 'petal_length', kind: 'NUMERIC' },
          { column: 'target', kind: 'CATEGORICAL' },
        ],
        split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
        hyperparameters: { clusters: 6, epochs: 40 },
        seed: 3,
      },
    ],
  ])('killed with -9 and resumed, ends like an uninterrupted one: %s', async (_, dataset, config) => {
    const whole = await trainModel(dataset, config);
    const killAt = Math.max(1, Math.floor(whole.outcome.epochsRun / 2));
    const broken = start(dataset, config, {
      async onCheckpoint({ epoch }) {
        if (epoch === killAt) process.kill(broken.running.pid!, 'SIGKILL');
      },
    });
    await expect(broken.running.outcome).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('SIGKILL'),
    });
    const last = broken.checkpoints.at(-1)!;
    expect(last.epoch).toBe(killAt);
    expect(sha256Of(last.path)).toBe(last.sha256);
    expect(readFileSync(last.path)).toHaveLength(last.sizeBytes);

    const resumed = await trainModel(dataset, config, last.path);
    expect(resumed.epochs.map(({ epoch }) => epoch)).toEqual(whole.epochs.map(({ epoch }) => epoch).slice(killAt));
    expect(resumed.epochs).toEqual(whole.epochs.slice(killAt));
    expect(sha256Of(resumed.outcome.modelPath)).toBe(sha256Of(whole.outcome.modelPath));
    expect(resumed.outcome.metrics).toEqual(whole.outcome.metrics);
  });

  it('is cancelled at once, and its process ends', async () => {
    let begun: () => void;
    const firstEpoch = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const started = start(
      cars,
      { ...network, hyperparameters: { epochs: 10_000 }, checkpointEveryEpochs: 10_000 },
      { onEpoch: async () => begun() },
    );
    await firstEpoch;
    expect(isAlive(started.running.pid!)).toBe(true);
    const cancelledAt = performance.now();
    started.running.cancel();
    await expect(started.running.outcome).rejects.toMatchObject({ code: 'CONFLICT', details: { cancelled: true } });
    expect(performance.now() - cancelledAt).toBeLessThan(5_000);
    expect(isAlive(started.running.pid!)).toBe(false);
  });

  it('waits for slow receivers and fails with their error', async () => {
    const { running, epochs } = start(cars, network, {
      async onEpoch({ epoch }) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        if (epoch === 3) throw new Error('the database is away');
      },
    });
    await expect(running.outcome).rejects.toThrow('the database is away');
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    await until(() => !isAlive(running.pid!));
  });

  it('ends with its parent', async () => {
    const workDir = temporaryFolder();
    const config = trainingConfigSchema.parse({
      ...network,
      hyperparameters: { epochs: 10_000 },
      checkpointEveryEpochs: 10_000,
    });
    const backend = new URL('../../dist/training/local-backend.js', import.meta.url);
    const script = path.join(workDir, 'parent.mjs');
    writeFileSync(
      script,
      `import { LocalTrainingBackend } from ${JSON.stringify(backend.href)};
       const request = ${JSON.stringify({ config, data: cars, workDir })};
       const training = new LocalTrainingBackend({ limits: { silenceMs: 20_000 }, usageIntervalMs: 0 }).start(request, {
         onProgress() {},
         async onCheckpoint() {},
         async onEpoch({ epoch }) { if (epoch === 1) process.send(training.pid); },
       });`,
    );
    const parent = fork(script, [], { execArgv: [] });
    const child = await new Promise<number>((resolve) => parent.once('message', (pid) => resolve(Number(pid))));
    expect(isAlive(child)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !isAlive(child));
  });

  it('refuses an incomplete, a changed and a foreign checkpoint', async () => {
    const { checkpoints } = await trainModel(cars, network);
    const [file] = checkpoints.slice(-1).map((report) => report.path);
    const bytes = readFileSync(file!);
    const resume = (config: ConfigInput = network): Promise<unknown> => trainModel(cars, config, file);
    const refused = (reason: string): object => ({ code: 'BAD_USER_INPUT', message: expect.stringContaining(reason) });

    await expect(resume({ ...network, seed: 1 })).rejects.toMatchObject(refused('another configuration'));
    truncateSync(file!, bytes.length - 100);
    await expect(resume()).rejects.toMatchObject(refused('truncated'));
    truncateSync(file!, 10);
    await expect(resume()).rejects.toMatchObject(refused('truncated'));
    const altered = Buffer.from(bytes);
    altered[bytes.length - 200]! ^= 1;
    writeFileSync(file!, altered);
    await expect(resume()).rejects.toMatchObject(refused('SHA-256'));
    writeFileSync(file!, Buffer.alloc(500));
    await expect(resume()).rejects.toMatchObject(refused('no checkpoint'));
    await expect(trainModel(cars, network, '/nowhere/checkpoint.bin')).rejects.toMatchObject(refused('not there'));
  });

  it('stops early and keeps the best epoch', async () => {
    const patience = 3;
    const { outcome, epochs, config, workDir } = await trainModel(cars, {
      ...network,
      hyperparameters: { ...network.hyperparameters, epochs: 300, learningRate: 0.05 },
      earlyStopping: { patience, minDelta: 0.001 },
    });
    expect(outcome.stoppedEarly).toBe(true);
    expect(outcome.epochsRun).toBeLessThan(300);
    expect(outcome.bestEpoch).toBe(outcome.epochsRun - patience);
    // The same training without early stopping, ended at the best epoch, gives the same model.
    const ended = await trainModel(cars, {
      ...config,
      earlyStopping: undefined,
      hyperparameters: { ...config.hyperparameters, epochs: outcome.bestEpoch },
    });
    expect(sha256Of(ended.outcome.modelPath)).toBe(sha256Of(outcome.modelPath));
    const losses = epochs.map(({ metrics }) => metrics['validation.loss']!);
    expect(losses[outcome.bestEpoch - 1]).toBeLessThan(losses.at(-1)! + 0.001);
    expect((await readdir(workDir)).filter((name) => name.startsWith('checkpoint-')).length).toBeLessThanOrEqual(2);
  });

  it('reports when the learning rate makes it diverge', async () => {
    const diverging = {
      ...network,
      hyperparameters: { ...network.hyperparameters, learningRate: 10, hiddenLayers: Array<number>(8).fill(256) },
    };
    await expect(trainModel(cars, diverging)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'config.hyperparameters.learningRate' },
    });
  });
});
