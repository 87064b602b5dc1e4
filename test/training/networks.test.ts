import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { readGraph } from '../../src/inference/onnx/format/rows/graph.js';
import { Dropout } from '../../src/training/dropout.js';
import { tableOf } from '../support/tables.js';
import { type ConfigInput, ensureBuilt, runModel, temporaryFolder, trainModel } from './support.js';

beforeAll(ensureBuilt, 60_000);

const SHOPS = 300;
const ROWS = 4001;

/** Each of many shops has its own tendency; a few rows have no shop. */
async function visits(): Promise<Table> {
  const random = new SeededRandom(3);
  const tendency = Array.from({ length: SHOPS }, () => random.next() * 6 - 3);
  const lines = ['shop,kind,size,class'];
  for (let row = 0; row < ROWS; row++) {
    const shop = random.below(SHOPS);
    const size = random.next();
    const score = tendency[shop]! + size - 0.5 + random.next() - 0.5;
    lines.push(`${row % 50 === 0 ? '' : `s${shop}`},k${shop % 3},${size},${score > 0 ? 'buys' : 'looks'}`);
  }
  const file = path.join(temporaryFolder(), 'visits.csv');
  writeFileSync(file, lines.join('\n'));
  return tableOf(file, 'CSV');
}

const config: ConfigInput = {
  algorithm: 'MLP_CLASSIFIER',
  target: { column: 'class' },
  features: [
    { column: 'shop', kind: 'CATEGORICAL' },
    { column: 'kind', kind: 'CATEGORICAL' },
    { column: 'size', kind: 'NUMERIC' },
  ],
  split: { by: 'RATIO', validation: 0.1, holdout: 0.2 },
  hyperparameters: {
    ...{ epochs: 12, hiddenLayers: [16, 8], maxCategories: 400, embeddingFrom: 50, embeddingSize: 4 },
    ...{ batchNormalization: true, dropout: 0.1, optimizer: 'ADAMW', learningRate: 0.02, weightDecay: 0.05 },
    // 2,801 training rows: the last step of an epoch would have a single one.
    ...{ batchSize: 28, schedule: 'COSINE', warmupEpochs: 1, gradientClipNorm: 1 },
  },
};

describe('a network with every part', () => {
  it('learns many categories, and is exported without dropout and batch normalisation', async () => {
    const { outcome, epochs } = await trainModel(await visits(), config);
    expect(outcome.rows.train % 28).toBe(1);
    expect(outcome.metrics['holdout.roc_auc']).toBeGreaterThan(0.95);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-5);
    const rates = epochs.map(({ metrics }) => metrics['train.learning_rate']!);
    expect(rates[0]).toBe(0.02);
    expect(rates.toSorted((a, b) => b - a)).toEqual(rates);
    expect(rates.at(-1)).toBeLessThan(1e-4);

    const ops = readGraph(await readFile(outcome.modelPath)).nodes.map(({ opType }) => opType);
    expect(ops).not.toContain('Dropout');
    expect(ops).not.toContain('BatchNormalization');
    // The shop's table of 4 numbers, the kind's table of weights, and the label.
    expect(ops.filter((op) => op === 'Gather')).toHaveLength(3);

    const probability = async (shop: string): Promise<number> => {
      const outputs = await runModel(outcome.modelPath, [
        { name: 'shop', datatype: 'BYTES', shape: [1, 1], data: [shop] },
        { name: 'kind', datatype: 'BYTES', shape: [1, 1], data: ['k1'] },
        { name: 'size', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(0.5) },
      ]);
      return (outputs.probabilities!.data as Float32Array)[0]!;
    };
    const [missing, one, another, unknown] = [
      await probability(''),
      await probability('s1'),
      await probability('a new shop'),
      await probability('another new shop'),
    ];
    expect(another).toBe(unknown);
    expect(new Set([missing, one, another]).size).toBe(3);
  });

  it('is about as good with indicators, which need more parameters', async () => {
    const { embeddingFrom: _from, embeddingSize: _size, ...hyperparameters } = config.hyperparameters!;
    const { outcome } = await trainModel(await visits(), { ...config, hyperparameters });
    expect(outcome.metrics['holdout.roc_auc']).toBeGreaterThan(0.95);
  });
});

it('drops units at the rate that was asked for, in the same way however steps are grouped', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 0.95, noNaN: true }),
      fc.nat(),
      fc.integer({ min: 1, max: 7 }),
      (rate, seed, units) => {
        const dropout = new Dropout(rate);
        const steps = 4000;
        const kept = dropout.draw(new SeededRandom(seed), steps, units);
        const random = new SeededRandom(seed);
        const grouped = [dropout.draw(random, 1000, units), dropout.draw(random, 3000, units)].flatMap((part) => [
          ...part,
        ]);
        expect(grouped).toEqual([...kept]);
        const share = kept.reduce((sum, one) => sum + one, 0) / kept.length;
        const deviation = Math.sqrt((rate * (1 - rate)) / kept.length);
        expect(Math.abs(share - (1 - rate))).toBeLessThan(6 * deviation);
        expect(dropout.keptFactor * (1 - rate)).toBeCloseTo(1, 3);
      },
    ),
    { numRuns: 30 },
  );
});
