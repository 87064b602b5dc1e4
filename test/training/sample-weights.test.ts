import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { toTensors } from '../../src/modules/model-contract/rules/dataset-column.js';
import { loadHoldout } from '../../src/training/holdout.js';
import { tableOf } from '../support/tables.js';
import {
  type ConfigInput,
  ensureBuilt,
  fixturePath,
  runModel,
  sha256Of,
  temporaryFolder,
  trainModel,
} from './support.js';

interface Source {
  weight: string;
  features: string[];
}
interface Regression {
  predictions: number[];
  rmse: number;
  mae: number;
  r2: number;
  pinball_loss: number;
}
interface Classification {
  probabilities: number[][];
  log_loss: number;
  accuracy: number;
}
const reference = JSON.parse(readFileSync(fixturePath('sample-weights.json'), 'utf8')) as {
  flowers: Source;
  people: Source;
  logisticRegression: Classification;
  ridge: Regression;
  treesClassifier: Classification;
  treesRegressor: Regression;
  treesQuantile: Regression;
  quantile: number;
};

beforeAll(ensureBuilt, 60_000);

const iris = await tableOf(fixturePath('iris.csv'), 'CSV');
const diabetes = await tableOf(fixturePath('diabetes.csv'), 'CSV');

const configOf = (
  algorithm: ConfigInput['algorithm'],
  { weight, features }: Source,
  hyperparameters = {},
): ConfigInput => ({
  algorithm,
  target: { column: 'target' },
  features: features.map((column) => ({ column, kind: 'NUMERIC' })),
  sampleWeight: { column: weight },
  split: { by: 'TIME', column: 'moment', validation: 0.1, holdout: 0.2 },
  hyperparameters,
});

async function trained(table: Table, input: ConfigInput, output: string) {
  const { outcome, config } = await trainModel(table, input);
  const holdout = await loadHoldout(table, config);
  const outputs = await runModel(outcome.modelPath, toTensors(holdout.columns, outcome.signature));
  const metric = (name: string): number => outcome.metrics[`holdout.${name}`]!;
  return { outcome, metric, values: Array.from(outputs[output]!.data as Float32Array, Number) };
}

const largestDifference = (ours: readonly number[], theirs: readonly number[]): number =>
  Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!)));

describe('rows with weights', () => {
  it('train what scikit-learn trains: LogisticRegression', async () => {
    const { logisticRegression: expected, flowers } = reference;
    const { metric, values } = await trained(iris, configOf('LOGISTIC_REGRESSION', flowers), 'probabilities');
    expect(largestDifference(values, expected.probabilities.flat())).toBeLessThan(1e-4);
    expect(metric('log_loss')).toBeCloseTo(expected.log_loss, 4);
    expect(metric('accuracy')).toBeCloseTo(expected.accuracy, 6);
  });

  it('train what scikit-learn trains: Ridge', async () => {
    const { ridge: expected, people } = reference;
    const { metric, values } = await trained(diabetes, configOf('LINEAR_REGRESSION', people), 'prediction');
    expect(largestDifference(values, expected.predictions)).toBeLessThan(0.01);
    expect(metric('rmse') / expected.rmse).toBeCloseTo(1, 4);
    expect(metric('mae') / expected.mae).toBeCloseTo(1, 4);
    expect(metric('r2')).toBeCloseTo(expected.r2, 4);
  });

  const trees = { epochs: 60, minLeafRows: 5 };

  it('train about what scikit-learn trains: HistGradientBoosting', async () => {
    const regressor = await trained(
      diabetes,
      configOf('BOOSTED_TREES_REGRESSOR', reference.people, trees),
      'prediction',
    );
    expect(regressor.metric('rmse') / reference.treesRegressor.rmse).toBeCloseTo(1, 1);
    const { quantile, treesQuantile } = reference;
    const ofQuantile = configOf('BOOSTED_TREES_REGRESSOR', reference.people, { ...trees, quantile });
    const byQuantile = await trained(diabetes, ofQuantile, 'prediction');
    console.log(
      'weighted trees against scikit-learn:',
      regressor.metric('rmse') / reference.treesRegressor.rmse,
      byQuantile.metric('pinball_loss') / treesQuantile.pinball_loss,
    );
    expect(byQuantile.metric('pinball_loss') / treesQuantile.pinball_loss).toBeCloseTo(1, 1);
    const classifier = await trained(
      iris,
      configOf('BOOSTED_TREES_CLASSIFIER', reference.flowers, trees),
      'probabilities',
    );
    expect(classifier.metric('accuracy')).toBeCloseTo(reference.treesClassifier.accuracy, 1);
    const { sampleWeight: _weight, ...plain } = configOf('BOOSTED_TREES_REGRESSOR', reference.people, trees);
    const { outcome } = await trained(diabetes, plain, 'prediction');
    expect(sha256Of(outcome.modelPath)).not.toBe(sha256Of(regressor.outcome.modelPath));
  });

  it.each(['LINEAR_REGRESSION', 'BOOSTED_TREES_REGRESSOR'] as const)(
    'of weight 0 change nothing, and of weight 2 count as two: %s',
    async (algorithm) => {
      // No penalty and no least number of rows, because these count rows and not weights.
      const hyperparameters =
        algorithm === 'LINEAR_REGRESSION' ? { l2: 0 } : { epochs: 20, minLeafRows: 1, maxLeaves: 8 };
      const rowsOf = (repeat: boolean) => {
        const lines = ['x,y,weight,part'];
        for (let i = 0; i < 300; i++) {
          const part = i % 3 === 0 ? 'test' : i % 3 === 1 ? 'validation' : 'train';
          const weight = i % 4 === 2 ? 2 : i % 7 === 3 ? 0 : 1;
          // Distinct values of x stay the same, so that the bins do.
          const line = (w: number) => lines.push(`${i % 20},${Math.sin(i) * 5 + (i % 20)},${w},${part}`);
          if (!repeat) line(weight);
          else for (let n = 0; n < weight; n++) line(1);
        }
        const file = path.join(temporaryFolder(), 'rows.csv');
        writeFileSync(file, `${lines.join('\n')}\n`);
        return tableOf(file, 'CSV');
      };
      const config: ConfigInput = {
        algorithm,
        target: { column: 'y' },
        features: [{ column: 'x', kind: 'NUMERIC' }],
        split: { by: 'COLUMN', column: 'part' },
        sampleWeight: { column: 'weight' },
        hyperparameters,
      };
      const predict = async (repeat: boolean) => {
        const { outcome } = await trainModel(await rowsOf(repeat), config);
        const x = Float32Array.from({ length: 20 }, (_, i) => i);
        const { prediction } = await runModel(outcome.modelPath, [
          { name: 'x', datatype: 'FP32', shape: [20, 1], data: x },
        ]);
        return { predicted: Array.from(prediction!.data as Float32Array, Number), metrics: outcome.metrics };
      };
      const [weighted, repeated] = [await predict(false), await predict(true)];
      expect(largestDifference(weighted.predicted, repeated.predicted)).toBeLessThan(1e-4);
      for (const name of ['rmse', 'mae', 'r2'])
        expect(weighted.metrics[`holdout.${name}`]).toBeCloseTo(repeated.metrics[`holdout.${name}`]!, 4);
    },
  );

  it.each<[string, ConfigInput['algorithm'], ConfigInput['hyperparameters']]>([
    ['a linear model, by steps', 'LOGISTIC_REGRESSION', { optimizer: 'ADAM', learningRate: 0.05 }],
    ['a network', 'MLP_CLASSIFIER', { hiddenLayers: [8], optimizer: 'SGD', learningRate: 0.5 }],
  ])('make steps as rows that are repeated: %s', async (_, algorithm, hyperparameters) => {
    const rowsOf = (repeat: boolean) => {
      const lines = ['x,kind,weight,part'];
      for (let i = 0; i < 900; i++) {
        // Each x has each weight as often in each part, so that the scale of x stays the same.
        const weight = Math.floor(i / 20) % 3;
        const part = ['test', 'validation', 'train'][Math.floor(i / 60) % 3]!;
        const kind = Math.sin(i * i) + (i % 20) / 10 > 1 + weight / 2 ? 'high' : 'low';
        const line = (w: number) => lines.push(`${i % 20},${kind},${w},${part}`);
        if (!repeat) line(weight);
        else for (let n = 0; n < weight; n++) line(1);
      }
      const file = path.join(temporaryFolder(), 'rows.csv');
      writeFileSync(file, `${lines.join('\n')}\n`);
      return tableOf(file, 'CSV');
    };
    const trainedOn = async (repeat: boolean, sampleWeight: ConfigInput['sampleWeight']) => {
      const { outcome, epochs } = await trainModel(await rowsOf(repeat), {
        ...{ algorithm, sampleWeight, target: { column: 'kind' }, split: { by: 'COLUMN', column: 'part' } },
        features: [{ column: 'x', kind: 'NUMERIC' }],
        // All rows in one step.
        hyperparameters: { ...hyperparameters, epochs: 40, batchSize: 1_000 },
      });
      const x = Float32Array.from({ length: 20 }, (__, i) => i);
      const { probabilities } = await runModel(outcome.modelPath, [
        { name: 'x', datatype: 'FP32', shape: [20, 1], data: x },
      ]);
      const losses = epochs.flatMap(({ metrics }) => [metrics['train.loss']!, metrics['validation.loss']!]);
      return { losses, shares: Array.from(probabilities!.data as Float32Array, Number) };
    };
    const weighted = await trainedOn(false, { column: 'weight' });
    const repeated = await trainedOn(true, undefined);
    const plain = await trainedOn(false, undefined);
    expect(largestDifference(weighted.losses, repeated.losses)).toBeLessThan(1e-4);
    expect(largestDifference(weighted.shares, repeated.shares)).toBeLessThan(1e-4);
    expect(largestDifference(weighted.shares, plain.shares)).toBeGreaterThan(0.02);
  });

  it('whose part has only weights of 0 are refused', async () => {
    const lines = Array.from(
      { length: 60 },
      (_, i) => `${i},${i * 2},${i < 20 ? 0 : 1},${i < 20 ? 'test' : i < 30 ? 'dev' : 'train'}`,
    );
    const file = path.join(temporaryFolder(), 'rows.csv');
    writeFileSync(file, ['x,y,weight,part', ...lines].join('\n'));
    const config: ConfigInput = {
      algorithm: 'LINEAR_REGRESSION',
      target: { column: 'y' },
      features: [{ column: 'x', kind: 'NUMERIC' }],
      split: { by: 'COLUMN', column: 'part' },
      sampleWeight: { column: 'weight' },
    };
    await expect(trainModel(await tableOf(file, 'CSV'), config)).rejects.toThrow(
      'config.sampleWeight.column: expected weights above 0 in the holdout rows, got "weight, always 0".',
    );
  });
});
