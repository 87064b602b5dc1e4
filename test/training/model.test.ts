import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { MISSING_TIMESTAMP_MS } from '../../src/modules/model-contract/rules/element.js';
import { toTensors } from '../../src/modules/model-contract/rules/dataset-column.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import type { Tensor } from '../../src/modules/model-contract/rules/tensor.js';
import { decodeModel, metadataOf } from '../../src/inference/onnx/format/proto.js';
import { loadHoldout } from '../../src/training/holdout.js';
import { tableOf } from '../support/tables.js';
import {
  type ConfigInput,
  ensureBuilt,
  type Finished,
  fixturePath,
  runModel,
  temporaryFolder,
  trainModel,
  vegaPath,
} from './support.js';

beforeAll(ensureBuilt, 60_000);

const cars = await tableOf(vegaPath('cars.json'), 'JSON');

describe('a model over numbers, categories and times', () => {
  const features: ConfigInput['features'] = [
    { column: 'size', kind: 'NUMERIC' },
    { column: 'code', kind: 'CATEGORICAL' },
    { column: 'flag', kind: 'CATEGORICAL' },
    { column: 'at', kind: 'TIMESTAMP' },
  ];
  const rows = 3000;

  /** The class depends on the hour, the weekday, the code and on whether the code is missing. */
  async function trainOnMadeUpRows(): Promise<Finished> {
    const random = new SeededRandom(11);
    const lines = ['size,code,flag,at,class'];
    for (let row = 0; row < rows; row++) {
      const at = new Date(Date.UTC(1969, 11, 1) + Math.floor(random.next() * 90 * 24 * 3600) * 1000);
      const code = random.next() < 0.1 ? '' : String(random.below(5));
      const score =
        (at.getUTCHours() >= 18 ? 2 : 0) + (at.getUTCDay() === 0 ? 2 : 0) + (code === '' ? 3 : code === '4' ? 2 : 0);
      const size = random.next() < 0.1 ? '' : random.next() * 1000;
      lines.push(`${size},${code},${row % 2 === 0},${at.toISOString()},${score >= 2 ? 'late' : 'early'}`);
    }
    const file = path.join(temporaryFolder(), 'made-up.csv');
    writeFileSync(file, lines.join('\n'));
    return trainModel(await tableOf(file, 'CSV'), {
      algorithm: 'MLP_CLASSIFIER',
      target: { column: 'class' },
      features,
      split: { by: 'RATIO', validation: 0.1, holdout: 0.2 },
      hyperparameters: { epochs: 20, batchSize: 32, learningRate: 0.01, hiddenLayers: [16], maxCategories: 4 },
    });
  }

  const inputs = (size: number[], code: string[], flag: string[], at: bigint[]): Tensor[] => [
    { name: 'size', datatype: 'FP32', shape: [size.length, 1], data: Float32Array.from(size) },
    { name: 'code', datatype: 'BYTES', shape: [code.length, 1], data: code },
    { name: 'flag', datatype: 'BYTES', shape: [flag.length, 1], data: flag },
    { name: 'at', datatype: 'INT64', shape: [at.length, 1], data: BigInt64Array.from(at) },
  ];

  it('learns hours, weekdays and missing values, and accepts unknown and missing ones in inference', async () => {
    const { outcome } = await trainOnMadeUpRows();
    expect(outcome.metrics['holdout.accuracy']).toBeGreaterThan(0.97);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-4);
    const { inputs: specs, ...rest } = outcome.signature;
    expect(specs.map(({ columns, ...spec }) => ({ ...spec, columns: columns!.map(({ name }) => name) }))).toEqual([
      { name: 'size', datatype: 'FP32', shape: [-1, 1], semantic: 'NUMERIC', columns: ['size'] },
      { name: 'code', datatype: 'BYTES', shape: [-1, 1], semantic: 'CATEGORICAL', columns: ['code'] },
      { name: 'flag', datatype: 'BYTES', shape: [-1, 1], semantic: 'CATEGORICAL', columns: ['flag'] },
      { name: 'at', datatype: 'INT64', shape: [-1, 1], semantic: 'TIMESTAMP_MS', columns: ['at'] },
    ]);
    // One of the five codes has no weight of its own, but its category is recorded too.
    expect(specs.map(({ columns }) => columns![0]!.categories?.toSorted())).toEqual([
      undefined,
      ['0', '1', '2', '3', '4'],
      ['false', 'true'],
      undefined,
    ]);
    expect(rest).toEqual({
      classes: ['early', 'late'],
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [-1] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
      ],
      rowIndependence: { proven: true, reason: null },
    });
    const metadata = metadataOf(decodeModel(await readFile(outcome.modelPath)));
    expect(JSON.parse(metadata.classes!)).toEqual(['early', 'late']);
    // What is proven from the file cannot be stored in the file.
    const { rowIndependence: _, ...written } = outcome.signature;
    expect(JSON.parse(metadata.signature!)).toEqual(written);

    const monday = (hour: number): bigint => BigInt(Date.UTC(1969, 11, 8, hour));
    const sunday = BigInt(Date.UTC(1970, 1, 8, 3));
    const { label } = await runModel(
      outcome.modelPath,
      inputs([5, Number.NaN, 5, 5, 5], ['1', '1', '1', '', '4'], Array<string>(5).fill('true'), [
        monday(3),
        monday(20),
        sunday,
        monday(3),
        monday(3),
      ]),
    );
    expect(label!.data).toEqual(['early', 'late', 'late', 'late', 'late']);

    const odd = await runModel(
      outcome.modelPath,
      inputs(
        [Number.NaN, Infinity, 1e30],
        ['never seen', '', '漢字'],
        ['maybe', '', 'TRUE'],
        [MISSING_TIMESTAMP_MS, monday(3), monday(3)],
      ),
    );
    const shares = odd.probabilities!.data as Float32Array;
    expect(shares.every((share) => share >= 0 && share <= 1)).toBe(true);
    for (let row = 0; row < 3; row++) expect(shares[row * 2]! + shares[row * 2 + 1]!).toBeCloseTo(1, 5);
    // Infinity counts as missing, as in training.
    const asMissing = await runModel(outcome.modelPath, inputs([Number.NaN], [''], [''], [monday(3)]));
    expect([...(asMissing.probabilities!.data as Float32Array)]).toEqual([...shares.slice(2, 4)]);
  });

  it('describes its training data for monitoring', async () => {
    const { outcome } = await trainOnMadeUpRows();
    expect(Object.keys(outcome.reference.features)).toEqual(['size', 'code', 'flag']);
    expect(outcome.reference.features.size).toMatchObject({ kind: 'NUMERIC', rows: outcome.rows.train });
    const missingShare = (outcome.reference.features.code as { missingShare: number }).missingShare;
    expect(missingShare).toBeGreaterThan(0.05);
    expect(missingShare).toBeLessThan(0.15);
    expect(outcome.reference.prediction.blockMeans).toHaveLength(
      Math.floor(outcome.rows.holdout / outcome.reference.prediction.blockRows),
    );
  });
});

describe('kinds of targets', () => {
  const features: ConfigInput['features'] = [
    { column: 'Weight_in_lbs', kind: 'NUMERIC' },
    { column: 'Displacement', kind: 'NUMERIC' },
  ];
  const split = { by: 'RATIO', validation: 0.2, holdout: 0.2 } as const;
  const hyperparameters = { epochs: 40 };

  it('answers with the numbers of a numeric target', async () => {
    const { outcome, config } = await trainModel(cars, {
      algorithm: 'LOGISTIC_REGRESSION',
      target: { column: 'Cylinders' },
      features,
      split,
      hyperparameters,
    });
    expect(outcome.signature.outputs[0]).toEqual({ name: 'label', datatype: 'INT64', shape: [-1] });
    const holdout = await loadHoldout(cars, config);
    const { label } = await runModel(outcome.modelPath, toTensors(holdout.columns, outcome.signature));
    const target = holdout.target!;
    if (target.kind !== 'CLASSES') throw new Error('A class target was asked for.');
    expect(target.classes).toEqual(['3', '4', '5', '6', '8']);
    const right = [...(label!.data as BigInt64Array)].filter(
      (value, row) => String(value) === target.classes[target.labels[row]!],
    );
    expect(right.length / holdout.rowCount).toBeCloseTo(outcome.metrics['holdout.accuracy']!, 6);
    expect(outcome.metrics['holdout.accuracy']).toBeGreaterThan(0.85);
  });

  it('makes two classes of a threshold, and counts rows without a target', async () => {
    const { outcome } = await trainModel(cars, {
      algorithm: 'LOGISTIC_REGRESSION',
      target: { column: 'Miles_per_Gallon', greaterThan: 23 },
      features,
      split,
      hyperparameters,
    });
    expect(outcome.signature.outputs).toEqual([
      { name: 'label', datatype: 'INT64', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
    ]);
    expect(outcome.metrics['data.rows_missing_target']).toBe(8);
    expect(outcome.rows.train + outcome.rows.validation + outcome.rows.holdout).toBe(406 - 8);
    expect(outcome.metrics['holdout.roc_auc']).toBeGreaterThan(0.9);
  });

  it('predicts large values in their own units', async () => {
    const lines = ['x,price', ...Array.from({ length: 500 }, (_, i) => `${i % 97},${3_000_000 + 20_000 * (i % 97)}`)];
    const file = path.join(temporaryFolder(), 'prices.csv');
    writeFileSync(file, lines.join('\n'));
    const { outcome } = await trainModel(await tableOf(file, 'CSV'), {
      algorithm: 'LINEAR_REGRESSION',
      target: { column: 'price' },
      features: [{ column: 'x', kind: 'NUMERIC' }],
      split,
      hyperparameters,
    });
    expect(outcome.metrics['holdout.r2']).toBeGreaterThan(0.999);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-4);
  });

  it('refuses a target with one class in the training rows, and one that is constant there', async () => {
    const lines = [
      'x,y,z,at',
      ...Array.from(
        { length: 50 },
        (_, i) => `${i},${i < 48 ? 'a' : 'b'},${i < 48 ? 1 : 2},2024-01-${String((i % 27) + 1).padStart(2, '0')}`,
      ),
    ];
    const byTime = lines.map((line, i) =>
      i === 0 ? line : line.replace(/[^,]*$/, new Date(Date.UTC(2024, 0, i)).toISOString()),
    );
    const file = path.join(temporaryFolder(), 'constant.csv');
    writeFileSync(file, byTime.join('\n'));
    const input = {
      features: [{ column: 'x', kind: 'NUMERIC' as const }],
      split: { by: 'TIME', column: 'at', validation: 0.1, holdout: 0.1 } as const,
    };
    const dataset = await tableOf(file, 'CSV');
    await expect(
      trainModel(dataset, { ...input, algorithm: 'LOGISTIC_REGRESSION', target: { column: 'y' } }),
    ).rejects.toThrow('config.target.column: expected at least two classes in the training rows, got "y, always a".');
    await expect(
      trainModel(dataset, { ...input, algorithm: 'LINEAR_REGRESSION', target: { column: 'z' } }),
    ).rejects.toThrow('z, always 1');
  });

  it('rebuilds the holdout with the columns of another model', async () => {
    const dataset = await tableOf(fixturePath('iris.csv'), 'CSV');
    const { config } = await trainModel(dataset, {
      algorithm: 'LOGISTIC_REGRESSION',
      target: { column: 'target' },
      features: [{ column: 'petal_width', kind: 'NUMERIC' }],
      split: { by: 'TIME', column: 'moment', validation: 0.2, holdout: 0.2 },
      hyperparameters: { epochs: 1 },
    });
    const own = await loadHoldout(dataset, config);
    const other = await loadHoldout(dataset, config, [
      { name: 'sepal_width', form: 'VALUE' },
      { name: 'moment', form: 'VALUE' },
    ]);
    expect([...own.columns.keys()]).toEqual(['petal_width', 'target']);
    expect([...other.columns.keys()]).toEqual(['sepal_width', 'moment', 'target']);
    expect(other.target).toEqual(own.target);
    expect([...own.rowNumbers]).toEqual(Array.from({ length: 30 }, (_, i) => 120 + i));
    const moments = other.columns.get('moment')!.values as Float64Array;
    expect([...moments].every((moment, i) => i === 0 || moment > moments[i - 1]!)).toBe(true);
    const signature = { inputs: [{ name: 'sepal_length', datatype: 'FP32' as const, shape: [-1, 1] }], outputs: [] };
    expect(() => toTensors(other.columns, signature)).toThrow('sepal_length: expected a column of that name');
  });
});
