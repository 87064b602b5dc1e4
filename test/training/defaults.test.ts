import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { tableOf } from '../support/tables.js';
import type { TrainingWarning } from '../../src/modules/algorithms/rules/training-warnings.js';
import {
  type ConfigInput,
  ensureBuilt,
  runModel,
  sha256Of,
  start,
  temporaryFolder,
  trainModel,
  vegaPath,
} from './support.js';

beforeAll(ensureBuilt, 60_000);

const split = { by: 'RATIO', validation: 0.2, holdout: 0.2 } as const;
const cars = await tableOf(vegaPath('cars.json'), 'JSON');

function csv(lines: readonly string[]): Promise<Table> {
  const file = path.join(temporaryFolder(), 'rows.csv');
  writeFileSync(file, lines.join('\n'));
  return tableOf(file, 'CSV');
}

function linear(target: string, ...columns: string[]): ConfigInput {
  return {
    algorithm: 'LINEAR_REGRESSION',
    target: { column: target },
    features: columns.map((column) => ({ column, kind: 'NUMERIC' })),
    split,
  };
}

const codes = (warnings: readonly TrainingWarning[]): string[] => warnings.map(({ code }) => code);

describe('linear regression converges by itself', () => {
  it('y = 1000 x, without a hyperparameter', async () => {
    const rows = Array.from({ length: 400 }, (_, i) => `${i + 1},${1000 * (i + 1)}`);
    const { outcome, epochs } = await trainModel(await csv(['x,y', ...rows]), linear('y', 'x'));
    expect(outcome.metrics['holdout.r2']).toBeGreaterThan(0.999);
    expect(epochs).toHaveLength(1);
    expect(outcome.warnings).toEqual([]);
  });

  const random = new SeededRandom(3);
  it.each<[string, (i: number) => number, 'FP32' | 'FP64']>([
    ['one million and some', () => 1e6 + 2 * random.next() - 1, 'FP64'],
    ['years', (i) => 1900 + (i % 121), 'FP32'],
    ['seconds since 1970', () => 1_700_000_000 + random.below(3600), 'FP64'],
    ['milliseconds since 1970', () => 1_700_000_000_000 + random.below(100_000), 'FP64'],
    ['tiny numbers', () => 1e-30 * random.next(), 'FP32'],
    ['very large numbers', () => 1e30 * random.next(), 'FP32'],
  ])('on %s, like the exported model', async (_, of, datatype) => {
    const xs = Array.from({ length: 500 }, (_unused, i) => of(i));
    const low = Math.min(...xs);
    const range = Math.max(...xs) - low;
    const rows = xs.map((x, i) => `${i % 50 === 7 ? '' : x},${3 + (10 * (x - low)) / range}`);
    const { outcome } = await trainModel(await csv(['x,y', ...rows]), linear('y', 'x'));
    expect(outcome.signature.inputs[0]!.datatype).toBe(datatype);
    expect(outcome.metrics['holdout.r2']).toBeGreaterThan(0.93);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-4);
    const known = xs.filter((__, i) => i % 50 !== 7).slice(0, 50);
    const data = datatype === 'FP64' ? Float64Array.from(known) : Float32Array.from(known);
    const { prediction } = await runModel(outcome.modelPath, [{ name: 'x', datatype, shape: [known.length, 1], data }]);
    const largest = Math.max(
      ...known.map((x, i) => Math.abs((prediction!.data as Float32Array)[i]! - 3 - (10 * (x - low)) / range)),
    );
    expect(largest).toBeLessThan(0.1);
  });

  it.each<[string, number, number, 'FP32' | 'FP64']>([
    ['small', 10, 5, 'FP32'],
    ['of seconds since 1970', 1_700_000_000, 100, 'FP64'],
    ['beyond single precision', 1e40, 1e39, 'FP64'],
    ['of millions', 3_000_000, 1_000_000, 'FP32'],
  ])('for targets that are %s, to the last digit that distinguishes them', async (_, offset, range, datatype) => {
    const rows = Array.from({ length: 300 }, (__, i) => `${i},${offset + (range * i) / 300}`);
    const { outcome } = await trainModel(await csv(['x,y', ...rows]), linear('y', 'x'));
    expect(outcome.signature.outputs).toEqual([{ name: 'prediction', datatype, shape: [-1] }]);
    expect(outcome.metrics['holdout.r2']).toBeGreaterThan(0.999);
  });

  it('uses the median for missing values', async () => {
    const rows = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? `,50` : `${i % 30 === 1 ? 1e6 : 5},5`));
    const { outcome } = await trainModel(await csv(['x,y', ...rows]), linear('y', 'x'));
    const at = (x: number): Promise<number> =>
      runModel(outcome.modelPath, [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(x) }]).then(
        ({ prediction }) => (prediction!.data as Float32Array)[0]!,
      );
    expect(await at(Number.NaN)).toBe(await at(5));
    expect(await at(Number.NaN)).not.toBeCloseTo(await at(1e5), 3);
  });

  it('accepts a column that is constant in the training rows, and another value of it later', async () => {
    const rows = Array.from({ length: 100 }, (_, i) => `${i},0.1,${2 * i}`);
    const { outcome } = await trainModel(await csv(['x,c,y', ...rows]), linear('y', 'x', 'c'));
    const { prediction } = await runModel(outcome.modelPath, [
      { name: 'x', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(50) },
      { name: 'c', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(0.3) },
    ]);
    expect((prediction!.data as Float32Array)[0]).toBeCloseTo(100, 0);
  });

  it('with more columns than a closed form can take', async () => {
    // 2,100 categories, each with its own level.
    const rows = Array.from({ length: 8400 }, (_, i) => `c${i % 2100},${(i % 2100) / 100}`);
    const { outcome, epochs } = await trainModel(await csv(['c,y', ...rows]), {
      ...linear('y'),
      features: [
        { column: 'c', kind: 'CATEGORICAL' },
        ...['y'].slice(1).map((column) => ({ column, kind: 'NUMERIC' }) as const),
      ],
      hyperparameters: { maxCategories: 2000 },
    });
    expect(outcome.metrics['holdout.r2']).toBeGreaterThan(0.8);
    expect(epochs.length).toBeGreaterThan(1);
  });
});

describe('a timestamp', () => {
  const DAY_MS = 86_400_000;
  const days = Array.from(
    { length: 1600 },
    (_, i) => new Date(Date.UTC(1967, 5, 1) + i * DAY_MS + (i % 24) * 3_600_000),
  );
  it.each<[string, (at: Date) => number]>([
    ['hour', (at) => (at.getUTCHours() < 6 ? 1 : 0)],
    ['weekday', (at) => (at.getUTCDay() === 3 ? 1 : 0)],
    ['month', (at) => [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8][at.getUTCMonth()]!],
    ['season', (at) => Math.cos((2 * Math.PI * (at.getTime() - Date.UTC(1967, 0, 20))) / (365.25 * DAY_MS))],
    ['age', (at) => at.getTime() / DAY_MS],
    ['year', (at) => at.getUTCFullYear()],
  ])('gives a linear model its %s, also before 1970', async (_, of) => {
    const rows = days.map((at) => `${at.toISOString()},${of(at)}`);
    const features: ConfigInput['features'] = [{ column: 'at', kind: 'TIMESTAMP' }];
    const { outcome } = await trainModel(await csv(['at,y', ...rows]), { ...linear('y'), features });
    expect(outcome.metrics['holdout.r2']).toBeGreaterThan(0.97);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-5);
  });

  it('does not extrapolate a trend of some weeks', async () => {
    // The level falls to zero; a model that extrapolates its trend predicts values below.
    const rows = Array.from({ length: 900 }, (_, i) => {
      const at = new Date(Date.UTC(2024, 0, 1) + i * 3 * 3_600_000);
      return `${at.toISOString()},${Math.max(0, 5 - i / 100) + (at.getUTCHours() < 12 ? 1 : 0)}`;
    });
    const { outcome } = await trainModel(await csv(['at,y', ...rows]), {
      ...linear('y'),
      features: [{ column: 'at', kind: 'TIMESTAMP' }],
      split: { by: 'TIME', column: 'at', validation: 0.1, holdout: 0.2 },
    });
    const { prediction } = await runModel(outcome.modelPath, [
      {
        name: 'at',
        datatype: 'INT64',
        shape: [2, 1],
        data: BigInt64Array.of(BigInt(Date.UTC(2026, 0, 1, 3)), BigInt(Date.UTC(2030, 5, 1, 3))),
      },
    ]);
    for (const value of prediction!.data as Float32Array) expect(value).toBeGreaterThan(0);
  });
});

describe('logistic regression converges by itself', () => {
  const species: ConfigInput = {
    algorithm: 'LOGISTIC_REGRESSION',
    target: { column: 'Origin' },
    features: [
      ...['Horsepower', 'Weight_in_lbs', 'Acceleration', 'Miles_per_Gallon'].map(
        (column) => ({ column, kind: 'NUMERIC' }) as const,
      ),
      { column: 'Cylinders', kind: 'CATEGORICAL' },
      { column: 'Year', kind: 'TIMESTAMP' },
    ],
    split,
  };

  it('to the same bytes each time, and after a kill and a resumption', async () => {
    const config = { ...species, checkpointEveryEpochs: 1 };
    const whole = await trainModel(cars, config);
    const again = await trainModel(cars, config);
    expect(sha256Of(again.outcome.modelPath)).toBe(sha256Of(whole.outcome.modelPath));
    expect(whole.outcome.stoppedEarly).toBe(true);
    expect(whole.outcome.warnings).toEqual([]);
    const killAt = Math.floor(whole.outcome.epochsRun / 2);
    const broken = start(cars, config, {
      async onCheckpoint({ epoch }) {
        if (epoch === killAt) process.kill(broken.running.pid!, 'SIGKILL');
      },
    });
    await expect(broken.running.outcome).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const resumed = await trainModel(cars, config, broken.checkpoints.at(-1)!.path);
    expect(resumed.epochs).toEqual(whole.epochs.slice(killAt));
    expect(sha256Of(resumed.outcome.modelPath)).toBe(sha256Of(whole.outcome.modelPath));
  });

  it('warns when it had too few iterations', async () => {
    const { outcome } = await trainModel(cars, { ...species, hyperparameters: { epochs: 2 } });
    expect(codes(outcome.warnings)).toContain('NOT_CONVERGED');
    expect(outcome.warnings[0]!.figures).toContainEqual({ name: 'epochs', value: 2 });
  });
});

describe('a neural network', () => {
  const network = (
    hyperparameters: ConfigInput['hyperparameters'],
    earlyStopping?: ConfigInput['earlyStopping'],
  ): ConfigInput => ({
    algorithm: 'MLP_REGRESSOR',
    target: { column: 'Miles_per_Gallon' },
    features: ['Horsepower', 'Weight_in_lbs', 'Acceleration'].map((column) => ({ column, kind: 'NUMERIC' })),
    split,
    ...(hyperparameters && { hyperparameters }),
    ...(earlyStopping && { earlyStopping }),
  });

  it('stops by validation by default, with the best epoch', async () => {
    const { outcome, config } = await trainModel(cars, network(undefined));
    expect(config.earlyStopping).toEqual({ patience: 20, minDelta: 0 });
    expect(outcome.stoppedEarly).toBe(true);
    expect(outcome.bestEpoch).toBe(outcome.epochsRun - 20);
    expect(outcome.metrics['holdout.r2']).toBeGreaterThan(0.7);
    expect(outcome.warnings).toEqual([]);
  });

  it('warns when its loss was still falling, and when it is worse than no model', async () => {
    const falling = await trainModel(cars, network({ epochs: 5, batchSize: 128, learningRate: 0.001 }));
    expect(codes(falling.outcome.warnings)).toContain('LOSS_STILL_FALLING');
    const worse = await trainModel(cars, network({ epochs: 6, batchSize: 16, learningRate: 3 }));
    expect(codes(worse.outcome.warnings)).toContain('WORSE_THAN_BASE_RATE');
    for (const { message } of worse.outcome.warnings) expect(message).toMatch(/^[A-Z].*\.$/);
  });

  it('warns when its loss becomes NaN or infinite', async () => {
    const told: TrainingWarning[] = [];
    const { running } = start(
      cars,
      network({ epochs: 50, learningRate: 10, hiddenLayers: Array<number>(8).fill(256) }),
      {
        async onWarning(warning) {
          told.push(warning);
        },
      },
    );
    await expect(running.outcome).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(codes(told)).toEqual(['LOSS_DIVERGED']);
  });
});

it('warns about a class that is hardly ever predicted', async () => {
  const random = new SeededRandom(9);
  const rows = Array.from({ length: 2000 }, () => {
    const x = random.next();
    return `${x},${random.next() < 0.05 + 0.2 * x ? 'late' : 'early'}`;
  });
  const { outcome } = await trainModel(await csv(['x,class', ...rows]), {
    algorithm: 'LOGISTIC_REGRESSION',
    target: { column: 'class' },
    features: [{ column: 'x', kind: 'NUMERIC' }],
    split,
  });
  expect(codes(outcome.warnings)).toEqual(['CLASS_RARELY_PREDICTED']);
  expect(outcome.warnings[0]!.message).toContain('"late"');
});
