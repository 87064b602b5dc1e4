import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { predictedClasses } from '../../src/modules/statistics/rules/metrics.js';
import { toTensors } from '../../src/modules/model-contract/rules/dataset-column.js';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { tableOf } from '../support/tables.js';
import { loadHoldout } from '../../src/training/holdout.js';
import {
  type ConfigInput,
  ensureBuilt,
  type Finished,
  runModel,
  sha256Of,
  temporaryFolder,
  trainModel,
} from './support.js';

beforeAll(ensureBuilt, 60_000);

const split = { by: 'RATIO', validation: 0.2, holdout: 0.2 } as const;

function csv(lines: readonly string[]): Promise<Table> {
  const file = path.join(temporaryFolder(), 'rows.csv');
  writeFileSync(file, lines.join('\n'));
  return tableOf(file, 'CSV');
}

/** A rare class that a model predicts with higher probabilities, but never with more than one half. */
function rare(): Promise<Table> {
  const random = new SeededRandom(4);
  const rows = Array.from({ length: 4000 }, (_, i) => {
    const x = random.next();
    return `${x},${random.next() < 0.02 + 0.3 * x ** 2 ? 'late' : 'early'},${['train', 'train', 'train', 'val', 'test', 'other'][i % 6]}`;
  });
  return csv(['x,class,part', ...rows]);
}

const logistic: ConfigInput = {
  algorithm: 'LOGISTIC_REGRESSION',
  target: { column: 'class' },
  features: [{ column: 'x', kind: 'NUMERIC' }],
  split,
};

async function labelsOf(
  dataset: Table,
  { outcome, config }: Finished,
): Promise<{ labels: string[]; scores: number[]; truth: string[] }> {
  const holdout = await loadHoldout(dataset, config);
  const { label, probabilities } = await runModel(outcome.modelPath, toTensors(holdout.columns, outcome.signature));
  const target = holdout.target!;
  if (target.kind !== 'CLASSES') throw new Error('A class target was asked for.');
  return {
    labels: label!.data as string[],
    scores: Array.from(probabilities!.data as Float32Array).filter((_, i) => i % 2 === 1),
    truth: Array.from(target.labels, (index) => target.classes[index]!),
  };
}

describe('a rare class', () => {
  it('is found with a threshold, which the exported model and the metrics use', async () => {
    const dataset = await rare();
    const plain = await trainModel(dataset, logistic);
    expect(plain.outcome.metrics['holdout.f1']).toBe(0);
    expect(plain.outcome.signature.decisionThreshold).toBeUndefined();
    const cut = await trainModel(dataset, { ...logistic, decisionThreshold: { by: 'F1' } });
    const threshold = cut.outcome.signature.decisionThreshold!;
    expect(threshold).toBeGreaterThan(0.02);
    expect(threshold).toBeLessThan(0.4);
    expect(cut.outcome.metrics['decision_threshold']).toBe(threshold);
    expect(cut.outcome.metrics['holdout.f1']).toBeGreaterThan(0.25);
    // Only the decision differs.
    expect(cut.outcome.metrics['holdout.log_loss']).toBe(plain.outcome.metrics['holdout.log_loss']);
    expect(cut.outcome.warnings).toEqual([]);
    const { labels, scores, truth } = await labelsOf(dataset, cut);
    expect(labels).toEqual(scores.map((score) => (score >= threshold ? 'late' : 'early')));
    const right = labels.filter((label, row) => label === truth[row]).length;
    expect(right / labels.length).toBeCloseTo(cut.outcome.metrics['holdout.accuracy']!, 9);
  });

  it('is decided by given costs', async () => {
    const dataset = await rare();
    const cost = await trainModel(dataset, {
      ...logistic,
      decisionThreshold: { by: 'COST', falsePositive: 1, falseNegative: 9 },
    });
    // For calibrated probabilities, the best threshold is 1 / (1 + 9).
    expect(cost.outcome.signature.decisionThreshold).toBeGreaterThan(0.04);
    expect(cost.outcome.signature.decisionThreshold).toBeLessThan(0.2);
    const fixed = await trainModel(dataset, { ...logistic, decisionThreshold: { by: 'FIXED', value: 0.25 } });
    expect(fixed.outcome.signature.decisionThreshold).toBe(0.25);
  });

  it.each(['LOGISTIC_REGRESSION', 'MLP_CLASSIFIER'] as const)('is found with weights: %s', async (algorithm) => {
    const dataset = await rare();
    const config = {
      ...logistic,
      algorithm,
      ...(algorithm === 'MLP_CLASSIFIER' && { hyperparameters: { hiddenLayers: [8] } }),
    };
    const { outcome } = await trainModel(dataset, { ...config, classWeights: { by: 'BALANCED' } });
    expect(outcome.metrics['holdout.recall']).toBeGreaterThan(0.5);
    expect(outcome.metrics['holdout.f1']).toBeGreaterThan(0.25);
    expect(outcome.warnings).toEqual([]);
    const equal: ConfigInput['classWeights'] = { by: 'GIVEN', weights: [{ class: 'late', weight: 1 }] };
    if (algorithm === 'LOGISTIC_REGRESSION') {
      const [same, plain] = [
        await trainModel(dataset, { ...config, classWeights: equal }),
        await trainModel(dataset, config),
      ];
      expect(sha256Of(same.outcome.modelPath)).toBe(sha256Of(plain.outcome.modelPath));
    }
    const unknown: ConfigInput = { ...config, classWeights: { by: 'GIVEN', weights: [{ class: 'Late', weight: 2 }] } };
    await expect(trainModel(dataset, unknown)).rejects.toThrow(
      'config.classWeights.weights[0].class: expected one of early, late, got "Late"',
    );
  });

  it('needs two classes for a threshold', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `${i},${'abc'[i % 3]}`);
    const config: ConfigInput = { ...logistic, decisionThreshold: { by: 'F1' } };
    await expect(trainModel(await csv(['x,class', ...rows]), config)).rejects.toThrow(
      'config.decisionThreshold: expected a target of two classes',
    );
  });
});

describe('a split by a column', () => {
  const byPart = (change: object): ConfigInput => ({ ...logistic, split: { by: 'COLUMN', column: 'part', ...change } });

  it('uses the usual words, and leaves out other rows', async () => {
    const dataset = await rare();
    const { outcome, config } = await trainModel(dataset, byPart({}));
    expect(outcome.rows).toEqual({ train: 2001, validation: 667, holdout: 666 });
    expect(outcome.metrics['data.rows_without_part']).toBe(666);
    const holdout = await loadHoldout(dataset, config, [{ name: 'part', form: 'TEXT' }]);
    expect(new Set((holdout.columns.get('part') as { values: string[] }).values)).toEqual(new Set(['test']));
  });

  it('uses the given values', async () => {
    const dataset = await rare();
    const all = await trainModel(dataset, byPart({ values: { holdout: ['other', 'test'] } }));
    expect(all.outcome.rows).toEqual({ train: 2401, validation: 267, holdout: 1332 });
    const some = await trainModel(
      dataset,
      byPart({ values: { train: ['val'], validation: ['other'], holdout: ['test'] } }),
    );
    expect(some.outcome.rows).toEqual({ train: 667, validation: 666, holdout: 666 });
    await expect(trainModel(dataset, byPart({ values: { holdout: ['Test'] } }))).rejects.toThrow(
      'config.split.values.holdout[0]: expected a value of part (other, test, train, val), got "Test".',
    );
  });

  it('must find its parts', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `${i},${i % 2},${'ab'[i % 2]}`);
    await expect(trainModel(await csv(['x,class,part', ...rows]), byPart({}))).rejects.toThrow(
      'config.split.values: expected values that say which rows',
    );
  });
});

describe('the second training, on all rows', () => {
  it('keeps the metrics of the holdout, and answers like a model of all rows', async () => {
    // Rows of the later half, including the holdout, follow another line.
    const rows = Array.from(
      { length: 400 },
      (_, i) => `${i},${i < 300 ? 10 + (i % 2) : i},${i < 240 ? 'train' : i < 300 ? 'val' : 'test'}`,
    );
    const dataset = await csv(['x,y,part', ...rows]);
    const config: ConfigInput = {
      algorithm: 'LINEAR_REGRESSION',
      target: { column: 'y' },
      features: [{ column: 'x', kind: 'NUMERIC' }],
      split: { by: 'COLUMN', column: 'part', validation: 0.1 },
    };
    const before = await trainModel(dataset, config);
    const after = await trainModel(dataset, { ...config, refit: true });
    expect(before.outcome.judged).toBeUndefined();
    expect(after.outcome.metrics).toEqual(before.outcome.metrics);
    expect(sha256Of(after.outcome.judged!.modelPath)).toBe(sha256Of(before.outcome.modelPath));
    const at = async (file: string): Promise<number> =>
      (
        (await runModel(file, [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(390) }])).prediction!
          .data as Float32Array
      )[0]!;
    expect(await at(before.outcome.modelPath)).toBeLessThan(20);
    expect(await at(after.outcome.modelPath)).toBeGreaterThan(150);
  });

  it('gives the same bytes again, for every kind of model', async () => {
    const dataset = await rare();
    for (const algorithm of ['MLP_CLASSIFIER', 'KMEANS'] as const) {
      const config: ConfigInput = {
        ...logistic,
        algorithm,
        ...(algorithm === 'KMEANS' && { target: undefined }),
        hyperparameters: algorithm === 'KMEANS' ? { epochs: 5, clusters: 3 } : { epochs: 5 },
        refit: true,
      };
      const [first, second] = [await trainModel(dataset, config), await trainModel(dataset, config)];
      expect(sha256Of(second.outcome.modelPath)).toBe(sha256Of(first.outcome.modelPath));
      expect(sha256Of(first.outcome.modelPath)).not.toBe(sha256Of(first.outcome.judged!.modelPath));
    }
  });
});

it('a threshold needs exactly two classes', () => {
  const labels = new Int32Array(2);
  expect([
    ...predictedClasses({ labels, classCount: 2, probabilities: Float32Array.of(0.8, 0.2, 0.9, 0.1), threshold: 0.2 }),
  ]).toEqual([1, 0]);
});
