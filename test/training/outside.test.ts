import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { trainingConfigSchema } from '../../src/modules/algorithms/rules/training-config.js';
import { type NamedArray, readArrays, writeArrays } from '../../src/training/outside/arrays.js';
import type { Link } from '../../src/training/outside/forest.js';
import { prepareOutside, rowsFile } from '../../src/training/outside/prepare.js';
import { pythonPackage, storedZip } from '../../src/training/ray/python-package.js';
import { train } from '../../src/training/train.js';
import { tableOf } from '../support/tables.js';
import { type ConfigInput, ensureBuilt, temporaryFolder, vegaPath } from './support.js';

beforeAll(ensureBuilt, 60_000);

const cars = await tableOf(vegaPath('cars.json'), 'JSON');
const NO_HOOKS = {
  onProgress: () => undefined,
  onEpoch: async () => undefined,
  onCheckpoint: async () => undefined,
  onFold: async () => undefined,
  onWarning: async () => undefined,
};

function carsBy(algorithm: ConfigInput['algorithm'], target: ConfigInput['target']): ConfigInput {
  return {
    algorithm,
    target,
    features: [
      { column: 'Horsepower', kind: 'NUMERIC' },
      { column: 'Weight_in_lbs', kind: 'NUMERIC' },
      { column: 'Cylinders', kind: 'CATEGORICAL' },
      { column: 'Year', kind: 'TIMESTAMP' },
    ],
    split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
    hyperparameters: { epochs: 10 },
  };
}

interface Forest {
  roots: number[];
  outputs: number[];
  feature: number[];
  split: number[];
  left: number[];
  right: number[];
  value: number[];
  baseline: number[];
}

/** Trees with splits at values that rows have, so that equality matters; every third tree is a leaf alone. */
function randomForest(rows: Float32Array[], outputs: number, random: SeededRandom): Forest {
  const forest: Forest = {
    ...{ roots: [], outputs: [], feature: [], split: [], left: [], right: [], value: [] },
    baseline: Array.from({ length: outputs }, () => random.next() - 0.5),
  };
  const node = (depth: number): number => {
    const id = forest.feature.length;
    const feature = random.below(rows[0]!.length);
    forest.feature.push(feature);
    forest.split.push(rows[random.below(rows.length)]![feature]!);
    forest.value.push(random.next() - 0.5);
    forest.left.push(-1);
    forest.right.push(-1);
    if (depth > 0) {
      forest.left[id] = node(depth - 1);
      forest.right[id] = node(depth - 1);
    }
    return id;
  };
  for (let tree = 0; tree < 12; tree++) {
    forest.outputs.push(tree % outputs);
    forest.roots.push(node(tree % 3));
  }
  return forest;
}

function scoresOf(forest: Forest, row: Float32Array, isLess: boolean): number[] {
  const scores = [...forest.baseline];
  forest.roots.forEach((root, tree) => {
    let node = root;
    while (forest.left[node]! >= 0) {
      const value = row[forest.feature[node]!]!;
      const goesLeft = isLess ? value < forest.split[node]! : value <= forest.split[node]!;
      node = (goesLeft ? forest.left : forest.right)[node]!;
    }
    scores[forest.outputs[tree]!]! += forest.value[node]!;
  });
  return scores;
}

/** The encoded rows of a part: the numbers, then one column per indicator. */
function denseRows(arrays: ReadonlyMap<string, NamedArray>, part: string, indicatorCount: number): Float32Array[] {
  const numeric = arrays.get(`${part}.numeric`)!;
  const indicators = arrays.get(`${part}.indicators`)!;
  const [rows = 0, width = 0] = numeric.shape;
  const slots = indicators.shape[1]!;
  return Array.from({ length: rows }, (_, row) => {
    const dense = new Float32Array(width + indicatorCount);
    dense.set((numeric.data as Float32Array).subarray(row * width, (row + 1) * width));
    for (let slot = 0; slot < slots; slot++) dense[width + (indicators.data as Int32Array)[row * slots + slot]!] = 1;
    return dense;
  });
}

/** Probabilities, or a value in standard units. */
function answerOf(scores: number[], link: Link, classes: number | null): number[] {
  if (classes === null) return scores;
  if (classes === 2) {
    const second = link === 'SIGMOID' ? 1 / (1 + Math.exp(-scores[0]!)) : scores[0]!;
    return [1 - second, second];
  }
  if (link === 'NONE') return scores;
  const raised = scores.map(Math.exp);
  return raised.map((one) => one / raised.reduce((a, b) => a + b));
}

const floats = (values: number[], ...shape: number[]): NamedArray => ({ data: Float64Array.from(values), shape });
const integers = (values: number[]): NamedArray => ({ data: Int32Array.from(values), shape: [values.length] });

const sha256Of = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Trains outside by drawing a forest at random, and lets the service finish. */
async function finished(
  input: ConfigInput,
  link: Link,
  comparison: 'LESS' | 'LESS_OR_EQUAL',
  change: (forest: Forest) => void = () => undefined,
  reported = sha256Of,
  prefix = 'main.',
) {
  const config = trainingConfigSchema.parse(input);
  const workDir = temporaryFolder();
  const prepared = await prepareOutside({ config, data: cars, workDir });
  const { classes, parts } = prepared;
  const { indicatorCount } = parts[0]!;
  const rows = await readArrays(path.join(workDir, rowsFile(parts[0]!)));
  const outputs = classes !== null && classes > 2 ? classes : 1;
  const forest = randomForest(denseRows(rows, 'train', indicatorCount), outputs, new SeededRandom(3));
  const predictions = (part: string): NamedArray => {
    const dense = denseRows(rows, part, indicatorCount);
    const all = dense.flatMap((row) => answerOf(scoresOf(forest, row, comparison === 'LESS'), link, classes));
    return classes === null ? floats(all, dense.length) : floats(all, dense.length, classes);
  };
  const answers = { validation: predictions('validation'), holdout: predictions('holdout') };
  change(forest);
  const arraysPath = path.join(workDir, 'trained.safetensors');
  await writeArrays(
    arraysPath,
    new Map([
      ...(['roots', 'outputs', 'feature', 'left', 'right'] as const).map(
        (name) => [`${prefix}forest.${name}`, integers(forest[name])] as const,
      ),
      ...(['split', 'value', 'baseline'] as const).map(
        (name) => [`${prefix}forest.${name}`, floats(forest[name], forest[name].length)] as const,
      ),
      [`${prefix}predictions.validation`, answers.validation] as const,
      [`${prefix}predictions.holdout`, answers.holdout] as const,
    ]),
  );
  const result = {
    ...{
      state: 'TRAINED' as const,
      sha256: reported(arraysPath),
      comparison,
      link,
      epochsRun: 10,
      bestEpoch: 10,
      stoppedEarly: false,
    },
    losses: [{ epoch: 10, loss: 0.5 }],
  };
  return train({ config, data: cars, workDir, finished: { arraysPath, result } }, NO_HOOKS);
}

describe('a forest from outside becomes a checked model', () => {
  it.each([
    ['three classes, softmax', carsBy('XGBOOST_CLASSIFIER', { column: 'Origin' }), 'SOFTMAX', 'LESS'],
    [
      'two classes, sigmoid',
      carsBy('XGBOOST_CLASSIFIER', { column: 'Acceleration', greaterThan: 15 }),
      'SIGMOID',
      'LESS',
    ],
    ['a value', carsBy('RANDOM_FOREST_REGRESSOR', { column: 'Miles_per_Gallon' }), 'NONE', 'LESS_OR_EQUAL'],
  ] as const)('of %s, with the answers of its trees in the runtime', async (_name, config, link, comparison) => {
    const outcome = await finished(config, link, comparison);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-6);
    expect(outcome.epochsRun).toBe(10);
    expect(outcome.signature.inputs.map(({ name }) => name)).toEqual([
      'Horsepower',
      'Weight_in_lbs',
      'Cylinders',
      'Year',
    ]);
    expect(outcome.signature.rowIndependence).toEqual({ proven: true, reason: null });
    expect(outcome.rows.train + outcome.rows.validation + outcome.rows.holdout).toBeGreaterThan(300);
  });

  it('also of work that an earlier release has started', async () => {
    const config = carsBy('XGBOOST_REGRESSOR', { column: 'Miles_per_Gallon' });
    const outcome = await finished(config, 'NONE', 'LESS', () => undefined, sha256Of, '');
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-6);
  });

  it('unless its trees say something else than its predictions', async () => {
    const other = finished(
      carsBy('RANDOM_FOREST_REGRESSOR', { column: 'Miles_per_Gallon' }),
      'NONE',
      'LESS',
      (forest) => {
        forest.baseline[0]! += 0.01;
      },
    );
    await expect(other).rejects.toMatchObject({ code: 'INVALID_MODEL' });
  });

  it('unless its file is not the one that it reported', async () => {
    const reported = (file: string) => {
      const sha256 = sha256Of(file);
      writeFileSync(file, Buffer.concat([readFileSync(file).subarray(0, -8), Buffer.alloc(8)]));
      return sha256;
    };
    const config = carsBy('XGBOOST_REGRESSOR', { column: 'Miles_per_Gallon' });
    await expect(finished(config, 'NONE', 'LESS', () => undefined, reported)).rejects.toMatchObject({
      code: 'INVALID_MODEL',
      message: expect.stringContaining('is not the one that the training reported'),
      details: { field: 'sha256' },
    });
  });

  it.each([
    ['a child before its parent', (forest: Forest) => (forest.left[forest.roots[2]!] = 0)],
    ['an unknown column', (forest: Forest) => (forest.feature[0] = 10_000)],
    ['an unknown output', (forest: Forest) => (forest.outputs[0] = 7)],
    ['a root that is no node', (forest: Forest) => (forest.roots[0] = -2)],
    ['one child only', (forest: Forest) => (forest.left[forest.roots[2]!] = -1)],
    ['a value that is no number', (forest: Forest) => (forest.value[0] = Number.NaN)],
  ])('and is refused with %s', async (_name, spoil) => {
    const spoilt = finished(carsBy('XGBOOST_REGRESSOR', { column: 'Miles_per_Gallon' }), 'NONE', 'LESS', spoil);
    await expect(spoilt).rejects.toMatchObject({ code: 'INVALID_MODEL' });
  });
});

describe('a network from outside becomes a checked model', () => {
  const HIDDEN = [5, 4];

  /** Trains outside by drawing weights at random, and lets the service finish. */
  async function drawn(algorithm: ConfigInput['algorithm'], target: ConfigInput['target'], spoil = Number.NaN) {
    const input = { ...carsBy(algorithm, target), hyperparameters: { hiddenLayers: HIDDEN, epochs: 10 } };
    const config = trainingConfigSchema.parse(input);
    const workDir = temporaryFolder();
    const { classes, parts } = await prepareOutside({ config, data: cars, workDir });
    const { numericWidth, indicatorCount } = parts[0]!;
    const rows = await readArrays(path.join(workDir, rowsFile(parts[0]!)));
    const random = new SeededRandom(5);
    const widths = [numericWidth + indicatorCount, ...HIDDEN, classes ?? 1];
    const draw = (size: number): number[] => Array.from({ length: size }, () => random.next() - 0.5);
    const layers = widths
      .slice(1)
      .map((width, at) => ({ weights: draw(widths[at]! * width), biases: draw(width), width }));
    const outputsOf = (row: Float32Array): number[] =>
      layers.reduce<number[]>(
        (values, { weights, biases, width }, at) =>
          biases.map((bias, unit) =>
            values.reduce(
              (sum, value, i) =>
                sum + (at === 0 ? value : Math.max(value, 0)) * Math.fround(weights[i * width + unit]!),
              Math.fround(bias),
            ),
          ),
        [...row],
      );
    const predictions = (part: string): NamedArray => {
      const dense = denseRows(rows, part, indicatorCount);
      const all = dense.flatMap((row) => (classes === null ? outputsOf(row) : answerOf(outputsOf(row), 'SOFTMAX', 3)));
      return classes === null ? floats(all, dense.length) : floats(all, dense.length, classes);
    };
    const real = (values: number[], ...shape: number[]): NamedArray => ({ data: Float32Array.from(values), shape });
    const [first, ...others] = layers;
    const cut = numericWidth * first!.width;
    const arrays = new Map([
      ['main.network.numeric_0', real(first!.weights.slice(0, cut), numericWidth, first!.width)],
      ['main.network.indicator_0', real(first!.weights.slice(cut), indicatorCount, first!.width)],
      ...layers.map(({ biases, width }, at) => [`main.network.bias_${at}`, real(biases, width)] as const),
      ...others.map(
        ({ weights, width }, at) => [`main.network.weight_${at + 1}`, real(weights, widths[at + 1]!, width)] as const,
      ),
      ['main.predictions.validation', predictions('validation')],
      ['main.predictions.holdout', predictions('holdout')],
    ]);
    if (!Number.isNaN(spoil)) arrays.get('main.network.bias_1')!.data[0] = spoil;
    const arraysPath = path.join(workDir, 'trained.safetensors');
    await writeArrays(arraysPath, arrays);
    const result = {
      ...{ state: 'TRAINED' as const, sha256: sha256Of(arraysPath), epochsRun: 10, bestEpoch: 10, stoppedEarly: false },
      losses: [{ epoch: 10, loss: 0.5 }],
    };
    return train({ config, data: cars, workDir, finished: { arraysPath, result } }, NO_HOOKS);
  }

  it.each([
    ['three classes', 'PYTORCH_CLASSIFIER', { column: 'Origin' }],
    ['a value', 'PYTORCH_REGRESSOR', { column: 'Miles_per_Gallon' }],
  ] as const)('of %s, with the answers of its layers in the runtime', async (_name, algorithm, target) => {
    const outcome = await drawn(algorithm, target);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-4);
    expect(outcome.signature.rowIndependence).toEqual({ proven: true, reason: null });
  });

  it.each([0.4, Number.POSITIVE_INFINITY])('unless a weight is another one: %d', async (spoil) => {
    const other = drawn('PYTORCH_CLASSIFIER', { column: 'Origin' }, spoil + 1);
    await expect(other).rejects.toMatchObject({ code: 'INVALID_MODEL' });
  });
});

describe('a file of arrays', () => {
  it('is read as it was written', async () => {
    const file = path.join(temporaryFolder(), 'a.safetensors');
    const array = fc.oneof(
      fc.float64Array({ maxLength: 9 }),
      fc.float32Array({ maxLength: 9 }),
      fc.int32Array({ maxLength: 9 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.stringMatching(/^[a-z.]{1,8}$/), array), async (given) => {
        const arrays = new Map(Object.entries(given).map(([name, data]) => [name, { data, shape: [data.length] }]));
        await writeArrays(file, arrays);
        expect(await readArrays(file)).toEqual(arrays);
      }),
      { numRuns: 50 },
    );
  });

  it('is refused when it is cut, or its header lies', async () => {
    const file = path.join(temporaryFolder(), 'a.safetensors');
    await writeArrays(file, new Map([['a', integers([1, 2, 3])]]));
    const bytes = readFileSync(file);
    const lie = Buffer.from(bytes.toString('latin1').replace('"shape":[3]', '"shape":[9]'), 'latin1');
    for (const wrong of [bytes.subarray(0, 4), bytes.subarray(0, -1), lie, Buffer.alloc(20, 0xff)]) {
      writeFileSync(file, wrong);
      await expect(readArrays(file)).rejects.toMatchObject({ code: 'INVALID_MODEL' });
    }
  });
});

describe('the package of the code', () => {
  it('has a name that follows from its content', async () => {
    const [one, again] = await Promise.all([pythonPackage(), pythonPackage()]);
    expect(one).toEqual(again);
    expect(one.name).toMatch(/^_ray_pkg_[0-9a-f]{40}\.zip$/);
    const text = Buffer.from(one.zip).toString('latin1');
    for (const name of ['matih_ml/__init__.py', 'matih_ml/train/__main__.py']) expect(text).toContain(name);
  });

  it('is a zip: its directory says where each file is, and its checksum', () => {
    const zip = Buffer.from(storedZip([{ name: 'a.txt', content: Buffer.from('123456789') }]));
    const directory = zip.readUInt32LE(zip.length - 6);
    expect(zip.readUInt32LE(directory)).toBe(0x02014b50);
    // The checksum of "123456789" is the check value of CRC-32.
    expect(zip.readUInt32LE(directory + 16)).toBe(0xcbf43926);
    expect(zip.subarray(30, 44).toString()).toBe('a.txt123456789');
  });
});
