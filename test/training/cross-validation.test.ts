import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FoldResult } from '../../src/modules/algorithms/rules/cross-validation.js';
import { summarizeFolds } from '../../src/modules/algorithms/rules/cross-validation.js';
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

interface Scores {
  rows: [number, number][];
  folds: Record<string, number[]>;
  mean: Record<string, number>;
  std: Record<string, number>;
}

const reference = JSON.parse(readFileSync(fixturePath('cross-validation.json'), 'utf8')) as Record<
  'breastCancer' | 'diabetes' | 'penguins',
  Scores
> & { iris: Scores & { foldOf: number[] } };

const breastCancer = await tableOf(fixturePath('breast-cancer.csv'), 'CSV');
const diabetes = await tableOf(fixturePath('diabetes.csv'), 'CSV');
const penguins = await tableOf(fixturePath('penguins.csv'), 'CSV');
const cars = await tableOf(vegaPath('cars.json'), 'JSON');

const numeric = (...columns: string[]): ConfigInput['features'] =>
  columns.map((column) => ({ column, kind: 'NUMERIC' }));
const byMoment = { by: 'TIME', column: 'moment', validation: 0.1, holdout: 0.2 } as const;

/** The iris rows with the fold that scikit-learn has drawn for each; rows of the holdout have none. */
async function irisWithFolds(): Promise<Table> {
  const [header, ...lines] = readFileSync(fixturePath('iris.csv'), 'utf8').trimEnd().split('\n');
  const rows = lines.map((line, i) => `${line},${reference.iris.foldOf[i] ?? ''}`);
  const file = path.join(temporaryFolder(), 'iris.csv');
  writeFileSync(file, [`${header},fold`, ...rows, ''].join('\n'));
  return tableOf(file, 'CSV');
}

/** Folds of groups have no order of their own: they are matched by their measured rows, then by the first metric. */
function inSameOrder(folds: readonly FoldResult[], expected: Scores): FoldResult[] {
  const first = Object.keys(expected.folds)[0]!;
  return expected.rows.map(([, measured], at) => {
    const same = folds.filter(({ rows }) => rows.validation === measured);
    const wanted = expected.folds[first]![at]!;
    const distance = ({ metrics }: FoldResult): number => Math.abs(metrics[first]! - wanted);
    return same.reduce((best, fold) => (distance(fold) < distance(best) ? fold : best));
  });
}

function expectScores(folds: readonly FoldResult[], expected: Scores): number {
  const ordered = inSameOrder(folds, expected);
  expect(new Set(ordered.map(({ fold }) => fold)).size).toBe(folds.length);
  expect(ordered.map(({ rows }) => [rows.train, rows.validation])).toEqual(expected.rows);
  const differences = Object.entries(expected.folds).flatMap(([name, values]) =>
    values.map((value, at) => Math.abs(ordered[at]!.metrics[name]! - value) / Math.max(1, Math.abs(value))),
  );
  for (const { name, mean, std } of summarizeFolds(folds)) {
    if (!(name in expected.mean)) continue;
    differences.push(Math.abs(mean - expected.mean[name]!) / Math.max(1, Math.abs(mean)));
    differences.push(Math.abs(std - expected.std[name]!) / Math.max(1, Math.abs(std)));
  }
  return Math.max(...differences);
}

describe('a cross-validation', () => {
  beforeAll(ensureBuilt, 60_000);

  it('gives the scores of scikit-learn in each fold, their mean and their standard deviation', async () => {
    const cases: [string, Table, ConfigInput, Scores][] = [
      [
        'logistic regression, TimeSeriesSplit',
        breastCancer,
        {
          algorithm: 'LOGISTIC_REGRESSION',
          target: { column: 'target' },
          features: numeric(
            ...['radius', 'texture', 'perimeter', 'area', 'smoothness', 'compactness'],
            ...['concavity', 'concave_points', 'symmetry', 'fractal_dimension'],
          ),
          split: byMoment,
          crossValidation: { by: 'TIME' },
        },
        reference.breastCancer,
      ],
      [
        'ridge, TimeSeriesSplit',
        diabetes,
        {
          algorithm: 'LINEAR_REGRESSION',
          target: { column: 'target' },
          features: numeric('age', 'sex', 'bmi', 'bp', 's1', 's2', 's3', 's4', 's5', 's6'),
          split: byMoment,
          crossValidation: { by: 'TIME', folds: 4 },
        },
        reference.diabetes,
      ],
      [
        'ridge, GroupKFold',
        penguins,
        {
          algorithm: 'LINEAR_REGRESSION',
          target: { column: 'body_mass' },
          features: numeric('beak_length', 'beak_depth', 'flipper_length'),
          split: byMoment,
          crossValidation: { by: 'GROUPED', folds: 3, column: 'island' },
        },
        reference.penguins,
      ],
      [
        'softmax, the folds of StratifiedKFold',
        await irisWithFolds(),
        {
          algorithm: 'LOGISTIC_REGRESSION',
          target: { column: 'target' },
          features: numeric('sepal_length', 'sepal_width', 'petal_length', 'petal_width'),
          split: byMoment,
          crossValidation: { by: 'GROUPED', column: 'fold' },
        },
        reference.iris,
      ],
    ];
    for (const [name, table, config, expected] of cases) {
      const { outcome, folds } = await trainModel(table, config);
      expect(outcome.crossValidation).toMatchObject({ by: config.crossValidation!.by, folds, leftOut: 0 });
      const difference = expectScores(folds, expected);
      console.log(`${name}: largest relative difference ${difference.toExponential(1)}`);
      expect(difference, name).toBeLessThan(1e-4);
    }
  });

  it('leaves the model as it is without one, for every kind of algorithm', async () => {
    const split = { by: 'RATIO', validation: 0.2, holdout: 0.2 } as const;
    const target = { column: 'species' };
    const features = numeric('beak_length', 'beak_depth', 'flipper_length');
    const short = { epochs: 8, minLeafRows: 5 };
    const cases: ConfigInput[] = [
      { algorithm: 'LOGISTIC_REGRESSION', target, features, split },
      {
        algorithm: 'MLP_CLASSIFIER',
        target,
        features,
        split,
        earlyStopping: { patience: 3 },
        hyperparameters: { epochs: 8 },
      },
      {
        algorithm: 'BOOSTED_TREES_CLASSIFIER',
        target,
        features,
        split,
        earlyStopping: { patience: 3 },
        hyperparameters: short,
      },
      { algorithm: 'KMEANS', features, split, hyperparameters: { clusters: 3 } },
    ];
    for (const config of cases) {
      const by = config.algorithm === 'KMEANS' ? 'K_FOLD' : 'STRATIFIED';
      const plain = await trainModel(penguins, config);
      const folded = await trainModel(penguins, { ...config, crossValidation: { by, folds: 3 } });
      expect(sha256Of(folded.outcome.modelPath)).toBe(sha256Of(plain.outcome.modelPath));
      expect(folded.outcome.metrics).toEqual(plain.outcome.metrics);
      expect(folded.epochs).toEqual(plain.epochs);
      const { folds } = folded.outcome.crossValidation!;
      const rows = folded.outcome.rows.train + folded.outcome.rows.validation;
      expect(folds.map(({ fold }) => fold)).toEqual([1, 2, 3]);
      for (const { rows: of, metrics } of folds) {
        expect(of.train + of.watched + of.validation).toBe(rows);
        expect(of.watched > 0).toBe(config.earlyStopping !== undefined);
        expect(metrics[config.algorithm === 'KMEANS' ? 'silhouette' : 'accuracy']).toBeGreaterThan(0.3);
      }
      expect(folds.reduce((sum, { rows: of }) => sum + of.validation, 0)).toBe(rows);
    }
  });

  const network: ConfigInput = {
    algorithm: 'MLP_REGRESSOR',
    target: { column: 'Miles_per_Gallon' },
    features: numeric('Horsepower', 'Weight_in_lbs'),
    split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
    hyperparameters: { epochs: 5, batchSize: 16, learningRate: 0.01, hiddenLayers: [8] },
    crossValidation: { by: 'K_FOLD', folds: 4 },
    seed: 7,
  };

  it('killed with -9 in a fold, continues after the folds that are done, with the same result', async () => {
    const whole = await trainModel(cars, network);
    expect(whole.folds).toHaveLength(4);
    const broken = start(cars, network, {
      async onFold({ fold }) {
        if (fold === 2) process.kill(broken.running.pid!, 'SIGKILL');
      },
    });
    await expect(broken.running.outcome).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(broken.folds).toEqual(whole.folds.slice(0, 2));
    const resumed = start(cars, network, {}, undefined, broken.folds);
    const outcome = await resumed.running.outcome;
    expect(resumed.folds).toEqual(whole.folds.slice(2));
    expect(outcome.crossValidation).toEqual(whole.outcome.crossValidation);
    expect(sha256Of(outcome.modelPath)).toBe(sha256Of(whole.outcome.modelPath));
  });

  it('reports its progress without a step back, and is cancelled at once', async () => {
    const done = start(cars, network);
    await done.running.outcome;
    expect(done.progress).toEqual([...done.progress].sort((a, b) => a - b));
    expect(done.progress.at(-1)).toBe(1);
    const started = start(
      cars,
      { ...network, hyperparameters: { ...network.hyperparameters, epochs: 5_000 } },
      {
        onProgress(fraction) {
          if (fraction > 0) started.running.cancel();
        },
      },
    );
    await expect(started.running.outcome).rejects.toMatchObject({ code: 'CONFLICT', details: { cancelled: true } });
    expect(started.epochs).toEqual([]);
  });

  it.each<[string, ConfigInput, string, string]>([
    [
      'more folds than members of a class',
      {
        algorithm: 'LOGISTIC_REGRESSION',
        target: { column: 'Origin' },
        features: numeric('Horsepower'),
        split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
        crossValidation: { by: 'STRATIFIED', folds: 90 },
      },
      'config.crossValidation.folds',
      'rows of the class Europe outside the holdout',
    ],
    [
      'fewer than ten rows to learn from',
      { ...network, sampleRows: 30, crossValidation: { by: 'TIME', folds: 20, column: 'Year' } },
      'config.crossValidation.folds',
      'at least 10 training rows in each fold',
    ],
    [
      'no group left to watch',
      {
        ...network,
        earlyStopping: { patience: 2 },
        sampleRows: 60,
        features: numeric('Horsepower'),
        target: { column: 'Miles_per_Gallon' },
        crossValidation: { by: 'GROUPED', folds: 2, column: 'two' },
      },
      'config.crossValidation.folds',
      'a group more than folds',
    ],
  ])('refuses %s', async (_, config, field, expected) => {
    const table =
      config.crossValidation && 'column' in config.crossValidation && config.crossValidation.column === 'two'
        ? await carsOfTwoGroups()
        : cars;
    await expect(start(table, config).running.outcome).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field, expected: expect.stringContaining(expected) },
    });
  });
});

async function carsOfTwoGroups(): Promise<Table> {
  const rows = JSON.parse(readFileSync(vegaPath('cars.json'), 'utf8')) as object[];
  const file = path.join(temporaryFolder(), 'cars.json');
  writeFileSync(file, JSON.stringify(rows.map((row, i) => ({ ...row, two: i % 2 === 0 ? 'even' : 'odd' }))));
  return tableOf(file, 'JSON');
}
