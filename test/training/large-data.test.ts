import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Table } from '../../src/adapters/dataset-files/port.js';
import { readingOf } from '../../src/modules/algorithms/rules/reading.js';
import { trainingConfigSchema } from '../../src/modules/algorithms/rules/training-config.js';
import { writeBlocks } from '../../src/training/blocks.js';
import { loadHoldout } from '../../src/training/holdout.js';
import type { LabelledRows } from '../../src/training/learner.js';
import { loadRows } from '../../src/training/rows.js';
import { tableOf } from '../support/tables.js';
import { type ConfigInput, ensureBuilt, sha256Of, start, temporaryFolder, trainModel } from './support.js';

const folder = mkdtempSync(path.join(tmpdir(), 'matih-events-'));
let table: Table;

beforeAll(async () => {
  ensureBuilt();
  table = await writeEvents(folder);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ROWS = 3_000;

/** Rows sorted by time, with a trend, as files of events often are. */
async function writeEvents(into: string): Promise<Table> {
  const lines = ['moment,x,y,place,weight,part,price,class'];
  for (let row = 0; row < ROWS; row++) {
    const x = Math.sin(row * 1.7) * 3;
    const y = row % 11 === 0 ? '' : Math.cos(row * 0.3).toFixed(4);
    const place = ['north', 'south', 'east', ''][row % 4]!;
    const price = row % 50 === 7 ? '' : 2 * x + (place === 'south' ? 4 : 0) + row / ROWS + Math.sin(row * 13.37);
    const kind = Number(price) > 3 ? 'dear' : Number(price) > -1 ? 'fair' : 'cheap';
    const moment = new Date(Date.UTC(2025, 0, 1) + row * 3_600_000).toISOString();
    const part = row % 10 === 0 ? 'test' : row % 10 === 1 ? 'validation' : 'train';
    lines.push(`${moment},${x.toFixed(5)},${y},${place},${1 + (row % 3)},${part},${price},${kind}`);
  }
  const file = path.join(into, 'events.csv');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return tableOf(file, 'CSV');
}

const FEATURES: ConfigInput['features'] = [
  { column: 'moment', kind: 'TIMESTAMP' },
  { column: 'x', kind: 'NUMERIC' },
  { column: 'y', kind: 'NUMERIC' },
  { column: 'place', kind: 'CATEGORICAL' },
];
const BY_PART: ConfigInput['split'] = { by: 'COLUMN', column: 'part' };

const regression = (algorithm: ConfigInput['algorithm'], hyperparameters = {}): ConfigInput => ({
  ...{ algorithm, hyperparameters, target: { column: 'price' }, features: FEATURES, split: BY_PART },
});
const classification = (algorithm: ConfigInput['algorithm'], hyperparameters = {}): ConfigInput => ({
  ...{ algorithm, hyperparameters, target: { column: 'class' }, features: FEATURES, split: BY_PART },
});

describe('a training in blocks gives the model of a training in memory, of the same parts', () => {
  it.each([
    [
      'trees, weighted',
      { ...regression('BOOSTED_TREES_REGRESSOR', { epochs: 20 }), sampleWeight: { column: 'weight' } },
    ],
    ['trees of three classes', classification('BOOSTED_TREES_CLASSIFIER', { epochs: 5 })],
    ['a network', classification('MLP_CLASSIFIER', { hiddenLayers: [8], epochs: 3, dropout: 0.2 })],
    ['ridge, weighted', { ...regression('LINEAR_REGRESSION'), sampleWeight: { column: 'weight' } }],
    ['softmax', classification('LOGISTIC_REGRESSION')],
    [
      'a network, trained again on all rows',
      { ...regression('MLP_REGRESSOR', { hiddenLayers: [4], epochs: 2 }), refit: true },
    ],
  ] as [string, ConfigInput][])('%s', { timeout: 60_000 }, async (_, config) => {
    const whole = await trainModel(table, config);
    const blocks = await trainModel(table, { ...config, reading: 'BLOCKS' });
    expect(blocks.outcome.rows).toEqual(whole.outcome.rows);
    expect(blocks.outcome.metrics).toEqual(whole.outcome.metrics);
    if (!config.refit) expect(sha256Of(blocks.outcome.modelPath)).toBe(sha256Of(whole.outcome.modelPath));
  });
});

describe('the parts of a training in blocks', () => {
  it(
    'have about the size that a split by RATIO asks for, and the holdout is the same again',
    { timeout: 60_000 },
    async () => {
      const config: ConfigInput = {
        ...regression('BOOSTED_TREES_REGRESSOR', { epochs: 5 }),
        ...{ reading: 'BLOCKS', split: { by: 'RATIO', validation: 0.1, holdout: 0.2 } },
      };
      const started = start(table, config);
      const { rows, metrics } = await started.running.outcome;
      const usable = ROWS - ROWS / 50;
      expect(rows.train + rows.validation + rows.holdout).toBe(usable);
      expect(Math.abs(rows.holdout / usable - 0.2)).toBeLessThan(0.03);
      expect(Math.abs(rows.validation / usable - 0.1)).toBeLessThan(0.03);
      expect(metrics['data.rows_missing_target']).toBe(ROWS / 50);
      expect([...started.progress].sort((a, b) => a - b)).toEqual(started.progress);
      const again = await loadHoldout(table, started.config, [{ name: 'class', form: 'TEXT' }]);
      expect(again.rowCount).toBe(rows.holdout);
      const told: [number, string][] = [];
      const first = await loadRows(table, started.config, { onRead: (share, message) => told.push([share, message]) });
      expect(told).toEqual([[0.55, 'Choosing rows: 2,940 of 2,940']]);
      expect(again.rowNumbers).toEqual(Float64Array.from(first.split.holdout, (row) => first.rowNumbers[row]!));
    },
  );

  it('by TIME are in the order of time', async () => {
    const rows = await loadRows(
      table,
      trainingConfigSchema.parse({
        ...regression('LINEAR_REGRESSION'),
        ...{ reading: 'BLOCKS', split: { by: 'TIME', column: 'moment', validation: 0.1, holdout: 0.2 } },
      }),
    );
    const { train, validation, holdout } = rows.split;
    const numbersOf = (part: Int32Array): number[] => Array.from(part, (row) => rows.rowNumbers[row]!);
    expect(Math.max(...numbersOf(train))).toBeLessThan(Math.min(...numbersOf(validation)));
    expect(Math.max(...numbersOf(validation))).toBeLessThan(Math.min(...numbersOf(holdout)));
    expect(rows.stream!.rows).toBe(train.length);
    expect(Math.abs(holdout.length / (ROWS - ROWS / 50) - 0.2)).toBeLessThan(0.01);
  });

  it('are drawn from a sample when sampleRows asks for one', async () => {
    const rows = await loadRows(
      table,
      trainingConfigSchema.parse({ ...classification('LOGISTIC_REGRESSION'), reading: 'BLOCKS', sampleRows: 1_000 }),
    );
    const { train, validation, holdout } = rows.split;
    expect(Math.abs(train.length + validation.length + holdout.length - 1_000)).toBeLessThan(100);
    let read = 0;
    for await (const { positions } of rows.stream!.batches()) read += positions.length;
    expect(read).toBe(rows.stream!.rows);
  });
});

it('continues a training in blocks from its checkpoint to the same model', { timeout: 60_000 }, async () => {
  const config: ConfigInput = {
    ...classification('MLP_CLASSIFIER', { hiddenLayers: [6], epochs: 4 }),
    ...{ reading: 'BLOCKS', checkpointEveryEpochs: 1 },
  };
  const kept: { epoch: number; path: string }[] = [];
  const started = start(table, config, {
    onCheckpoint: async ({ epoch, path: file }) => {
      const copy = path.join(temporaryFolder(), `${epoch}.bin`);
      copyFileSync(file, copy);
      kept.push({ epoch, path: copy });
    },
  });
  const whole = await started.running.outcome;
  const continued = await trainModel(table, config, kept.find(({ epoch }) => epoch === 2)!.path);
  expect(continued.epochs.map(({ epoch }) => epoch)).toEqual([3, 4]);
  expect(sha256Of(continued.outcome.modelPath)).toBe(sha256Of(whole.modelPath));
});

describe('which reading a training has', () => {
  const config = trainingConfigSchema.parse(regression('BOOSTED_TREES_REGRESSOR'));
  const folded = trainingConfigSchema.parse({
    ...regression('BOOSTED_TREES_REGRESSOR'),
    crossValidation: { by: 'K_FOLD', folds: 3 },
  });

  it('BLOCKS from a gigabyte of rows on, where it can be', () => {
    expect(readingOf(config, 1_000_000, true)).toBe('WHOLE');
    expect(readingOf(config, 20_000_000, true)).toBe('BLOCKS');
    expect(readingOf({ ...config, sampleRows: 100_000 }, 20_000_000, true)).toBe('WHOLE');
    expect(readingOf({ ...config, reading: 'WHOLE' }, 20_000_000, true)).toBe('WHOLE');
    expect(readingOf(config, 20_000_000, false)).toBe('WHOLE');
    expect(readingOf(folded, 20_000_000, true)).toBe('WHOLE');
  });

  it('refuses blocks where they cannot be', () => {
    expect(() => readingOf({ ...folded, reading: 'BLOCKS' }, 10, true)).toThrow(
      'config.reading: expected nothing but WHOLE with a cross-validation, got "BLOCKS"',
    );
    const clusters = trainingConfigSchema.parse({
      ...{ algorithm: 'KMEANS', hyperparameters: { clusters: 2 }, reading: 'BLOCKS' },
      ...{ features: [{ column: 'x', kind: 'NUMERIC' }], split: { by: 'RATIO', validation: 0.1, holdout: 0.1 } },
    });
    expect(() => readingOf(clusters, 10, true)).toThrow('expected nothing but WHOLE for KMEANS');
  });
});

describe('a file of blocks', () => {
  it('has every row once, and of every run of rows as many in each block', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 120 }),
        fc.integer({ min: 1, max: 97 }),
        async (rows, blockRows, batchRows) => {
          const batches = async function* (): AsyncGenerator<LabelledRows> {
            for (let from = 0; from < rows; from += batchRows) {
              const numbers = Array.from({ length: Math.min(batchRows, rows - from) }, (_, i) => from + i);
              yield {
                rows: numbers.length,
                numeric: Float32Array.from(numbers.flatMap((number) => [number, number + 0.5, -number])),
                indicators: Int32Array.from(numbers.flatMap((number) => [number, number * 2])),
                embedded: Int32Array.from(numbers, (number) => number + 7),
                truth: { kind: 'VALUE', values: Float64Array.from(numbers, (number) => number / 3) },
                weights: Float64Array.from(numbers, (number) => number + 1),
              };
            }
          };
          const file = path.join(temporaryFolder(), 'rows.bin');
          const shape = { numericWidth: 3, slots: 2, embedded: 1, truth: 'VALUE', hasWeights: true } as const;
          const blocks = await writeBlocks(file, rows, batches(), shape, { seed: 3, blockRows });
          const count = blocks.sizes.length;
          expect(count).toBe(Math.ceil(rows / blockRows));
          const seen: number[] = [];
          for (const [index, size] of blocks.sizes.entries()) {
            const block = await blocks.block(index);
            expect(block.rows).toBe(size);
            for (let row = 0; row < size; row++) {
              const number = block.numeric[row * 3]!;
              expect(Math.floor(number / count)).toBe(row);
              expect([...block.numeric.subarray(row * 3, row * 3 + 3)]).toEqual([number, number + 0.5, -number]);
              expect([...block.indicators.subarray(row * 2, row * 2 + 2)]).toEqual([number, number * 2]);
              expect(block.embedded[row]).toBe(number + 7);
              expect(block.truth.kind === 'VALUE' && block.truth.values[row]).toBe(number / 3);
              expect(block.weights![row]).toBe(number + 1);
              seen.push(number);
            }
          }
          expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, row) => row));
          await blocks.close();
        },
      ),
      { numRuns: 40 },
    );
  });
});
