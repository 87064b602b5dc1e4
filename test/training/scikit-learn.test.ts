import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { toTensors } from '../../src/modules/model-contract/rules/dataset-column.js';
import type { TrainingConfig } from '../../src/modules/algorithms/rules/training-config.js';
import { loadHoldout } from '../../src/training/holdout.js';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { tableOf } from '../support/tables.js';
import { type ConfigInput, ensureBuilt, fixturePath, runModel, trainModel, vegaPath } from './support.js';

interface ClassificationReference {
  probabilities: number[][];
  log_loss: number;
  accuracy: number;
  roc_auc: number;
}

interface RegressionReference {
  predictions: number[];
  rmse: number;
  mae: number;
  r2: number;
}

const reference = JSON.parse(readFileSync(fixturePath('scikit-learn.json'), 'utf8')) as {
  l2: number;
  split: { validation: number; holdout: number };
  iris: ClassificationReference;
  breastCancer: ClassificationReference;
  penguins: ClassificationReference;
  diabetes: RegressionReference;
  cars: RegressionReference;
  irisClusters: { inertia: number; holdout_labels: number[]; holdout_inertia: number };
};

const csv = (name: string): Promise<Table> => tableOf(fixturePath(name), 'CSV');
const numeric = (...columns: string[]): ConfigInput['features'] =>
  columns.map((column) => ({ column, kind: 'NUMERIC' }));
const categorical = (...columns: string[]): ConfigInput['features'] =>
  columns.map((column) => ({ column, kind: 'CATEGORICAL' }));
/** Full batches: Adam then reaches the optimum that scikit-learn's solvers find. */
const hyperparameters = {
  optimizer: 'ADAM',
  epochs: 1500,
  batchSize: 65_536,
  learningRate: 0.03,
  l2: reference.l2,
} as const;
const shared = {
  split: { by: 'TIME', column: 'moment', ...reference.split },
  hyperparameters,
  checkpointEveryEpochs: 10_000,
} as const;

async function holdoutOutputs(
  dataset: Table,
  config: TrainingConfig,
  modelPath: string,
  signature: Parameters<typeof toTensors>[1],
) {
  const holdout = await loadHoldout(dataset, config);
  return runModel(modelPath, toTensors(holdout.columns, signature));
}

async function trainAndRun(dataset: Table, input: ConfigInput) {
  const { outcome, config, epochs } = await trainModel(dataset, input);
  const outputs = await holdoutOutputs(dataset, config, outcome.modelPath, outcome.signature);
  const values = (name: string): number[] => Array.from(outputs[name]!.data as Float32Array, Number);
  return { outcome, epochs, values };
}

function largestDifference(ours: readonly number[], theirs: readonly number[]): number {
  expect(ours).toHaveLength(theirs.length);
  return Math.max(...ours.map((value, i) => Math.abs(value - theirs[i]!)));
}

const iris = await csv('iris.csv');
const breastCancer = await csv('breast-cancer.csv');
const penguins = await csv('penguins.csv');
const diabetes = await csv('diabetes.csv');
const cars = await tableOf(vegaPath('cars.json'), 'JSON');

describe('the local trainer finds what scikit-learn finds on the same rows', () => {
  beforeAll(ensureBuilt, 60_000);

  it.each<[string, Table, ConfigInput['features'], string, ClassificationReference]>([
    ['iris', iris, numeric('sepal_length', 'sepal_width', 'petal_length', 'petal_width'), 'target', reference.iris],
    [
      'breast cancer',
      breastCancer,
      numeric(
        ...[
          'radius',
          'texture',
          'perimeter',
          'area',
          'smoothness',
          'compactness',
          'concavity',
          'concave_points',
          'symmetry',
          'fractal_dimension',
        ],
      ),
      'target',
      reference.breastCancer,
    ],
    [
      'penguins, with missing values and categories',
      penguins,
      [...numeric('beak_length', 'beak_depth', 'flipper_length', 'body_mass'), ...categorical('island', 'sex')],
      'species',
      reference.penguins,
    ],
  ])('LogisticRegression: %s', async (_, dataset, features, column, expected) => {
    const { outcome, values } = await trainAndRun(dataset, {
      algorithm: 'LOGISTIC_REGRESSION',
      target: { column },
      features,
      ...shared,
    });
    expect(largestDifference(values('probabilities'), expected.probabilities.flat())).toBeLessThan(2e-3);
    expect(outcome.metrics['holdout.log_loss']).toBeCloseTo(expected.log_loss, 3);
    expect(outcome.metrics['holdout.accuracy']).toBeCloseTo(expected.accuracy, 6);
    expect(outcome.metrics['holdout.roc_auc']).toBeCloseTo(expected.roc_auc, 6);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-4);
  });

  it.each<[string, Table, ConfigInput['features'], string, number, RegressionReference, string]>([
    [
      'Ridge: diabetes',
      diabetes,
      numeric('age', 'sex', 'bmi', 'bp', 's1', 's2', 's3', 's4', 's5', 's6'),
      'target',
      reference.l2,
      reference.diabetes,
      'moment',
    ],
    [
      'LinearRegression: cars, rows without a target dropped',
      cars,
      [...numeric('Horsepower', 'Weight_in_lbs', 'Acceleration'), ...categorical('Origin')],
      'Miles_per_Gallon',
      0,
      reference.cars,
      'Year',
    ],
  ])('%s', async (_, dataset, features, column, l2, expected, time) => {
    const { outcome, values } = await trainAndRun(dataset, {
      algorithm: 'LINEAR_REGRESSION',
      target: { column },
      features,
      ...shared,
      split: { ...shared.split, column: time },
      hyperparameters: { ...hyperparameters, l2 },
    });
    const spread = Math.max(...expected.predictions) - Math.min(...expected.predictions);
    expect(largestDifference(values('prediction'), expected.predictions) / spread).toBeLessThan(1e-3);
    expect(Math.abs(outcome.metrics['holdout.rmse']! / expected.rmse - 1)).toBeLessThan(1e-3);
    expect(Math.abs(outcome.metrics['holdout.mae']! / expected.mae - 1)).toBeLessThan(1e-3);
    expect(Math.abs(outcome.metrics['holdout.r2']! - expected.r2)).toBeLessThan(5e-3);
  });

  it('KMeans: iris', async () => {
    const features = numeric('sepal_length', 'sepal_width', 'petal_length', 'petal_width');
    const { outcome, epochs, values } = await trainAndRun(iris, {
      ...shared,
      algorithm: 'KMEANS',
      features,
      hyperparameters: { clusters: 3, epochs: 100 },
    });
    expect(outcome.stoppedEarly).toBe(true);
    const { inertia, holdout_inertia, holdout_labels } = reference.irisClusters;
    // scikit-learn keeps the best of twenty starts; one start may end in a neighbouring optimum that is equally good
    // except for a row or two.
    expect(epochs.at(-1)!.metrics['train.inertia']! / inertia).toBeLessThan(1.002);
    expect(Math.abs(outcome.metrics['holdout.inertia']! / holdout_inertia - 1)).toBeLessThan(0.01);
    const agreeing = new Map<string, number>();
    values('cluster').forEach((cluster, row) => {
      const pair = `${cluster}=${holdout_labels[row]}`;
      agreeing.set(pair, (agreeing.get(pair) ?? 0) + 1);
    });
    const matched = [...agreeing.values()].sort((a, b) => b - a).slice(0, 3);
    expect(matched.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(holdout_labels.length - 2);
    const distances = values('distances');
    expect(
      values('cluster').every(
        (cluster, row) => distances[row * 3 + cluster] === Math.min(...distances.slice(row * 3, row * 3 + 3)),
      ),
    ).toBe(true);
  });
});
