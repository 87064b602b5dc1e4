import { writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { toTensors } from '../../src/modules/model-contract/rules/dataset-column.js';
import { mean as meanOf, pinballRows } from '../../src/modules/statistics/rules/metrics.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { loadHoldout } from '../../src/training/holdout.js';
import type * as boosterModule from '../../src/training/trees/booster.js';
import type * as forestModule from '../../src/training/trees/forest.js';
import type * as memoryModule from '../../src/training/trees/memory.js';
import { tableOf } from '../support/tables.js';
import { type ConfigInput, ensureBuilt, runModel, sha256Of, temporaryFolder, trainModel, vegaPath } from './support.js';

beforeAll(ensureBuilt, 60_000);

const penguins = await tableOf(vegaPath('penguins.json'), 'JSON');
const cars = await tableOf(vegaPath('cars.json'), 'JSON');

const SPECIES: ConfigInput = {
  algorithm: 'BOOSTED_TREES_CLASSIFIER',
  target: { column: 'Species' },
  features: [
    { column: 'Island', kind: 'CATEGORICAL' },
    { column: 'Beak Length (mm)', kind: 'NUMERIC' },
    { column: 'Body Mass (g)', kind: 'NUMERIC' },
    { column: 'Sex', kind: 'CATEGORICAL' },
  ],
  split: { by: 'RATIO', validation: 0.15, holdout: 0.2 },
};
const CONSUMPTION: ConfigInput = {
  algorithm: 'BOOSTED_TREES_REGRESSOR',
  target: { column: 'Miles_per_Gallon' },
  features: [
    { column: 'Horsepower', kind: 'NUMERIC' },
    { column: 'Weight_in_lbs', kind: 'NUMERIC' },
    { column: 'Origin', kind: 'CATEGORICAL' },
    { column: 'Year', kind: 'TIMESTAMP' },
  ],
  split: { by: 'RATIO', validation: 0.15, holdout: 0.2 },
};

describe('a model of boosted trees', () => {
  it('classifies three species, and ONNX Runtime gives the probabilities of the trainer', async () => {
    const { outcome, epochs } = await trainModel(penguins, SPECIES);
    expect(outcome.metrics['holdout.accuracy']).toBeGreaterThan(0.95);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-6);
    expect(outcome.stoppedEarly).toBe(true);
    expect(outcome.bestEpoch).toBe(epochs.length - 20);
    const losses = epochs.map(({ metrics }) => metrics['validation.loss']!);
    expect(Math.min(...losses)).toBe(losses[outcome.bestEpoch - 1]);
  });

  it('predicts a number from numbers, a category and a time, where values are missing', async () => {
    const { outcome } = await trainModel(cars, CONSUMPTION);
    expect(outcome.metrics['holdout.r2']).toBeGreaterThan(0.8);
    expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-6);
  });

  it('is the same file on every run, with rows and features drawn at random', async () => {
    const config = { ...CONSUMPTION, hyperparameters: { epochs: 30, rowShare: 0.6, featureShare: 0.5 } };
    const [first, second, other] = [
      await trainModel(cars, config),
      await trainModel(cars, config),
      await trainModel(cars, { ...config, seed: 43 }),
    ];
    expect(sha256Of(second!.outcome.modelPath)).toBe(sha256Of(first!.outcome.modelPath));
    expect(sha256Of(other!.outcome.modelPath)).not.toBe(sha256Of(first!.outcome.modelPath));
  });

  it.each([1, 33, 65, 1000])(
    'agrees with ONNX Runtime on %i categories, with missing and unknown ones',
    async (count) => {
      const random = new SeededRandom(count);
      const effects = Array.from({ length: count }, () => random.next() * 4 - 2);
      const lines = ['kind,size,late'];
      for (let row = 0; row < 20_000; row++) {
        const kind = random.below(count);
        const isMissing = random.next() < 0.1;
        const size = random.next() < 0.1 ? Number.NaN : random.next();
        const logit = (isMissing ? 1.5 : effects[kind]!) + (Number.isNaN(size) ? 1 : 2 * size - 1);
        const isLate = random.next() < 1 / (1 + Math.exp(-logit));
        lines.push(`${isMissing ? '' : `k${kind}`},${Number.isNaN(size) ? '' : size},${isLate ? 'yes' : 'no'}`);
      }
      const file = path.join(temporaryFolder(), 'kinds.csv');
      writeFileSync(file, `${lines.join('\n')}\n`);
      const { outcome } = await trainModel(await tableOf(file, 'CSV'), {
        algorithm: 'BOOSTED_TREES_CLASSIFIER',
        target: { column: 'late' },
        features: [
          { column: 'kind', kind: 'CATEGORICAL' },
          { column: 'size', kind: 'NUMERIC' },
        ],
        split: { by: 'RATIO', validation: 0.2, holdout: 0.3 },
        hyperparameters: { epochs: 60 },
      });
      expect(outcome.agreementMaxAbsDiff).toBeLessThan(1e-6);
      expect(outcome.metrics['holdout.roc_auc']).toBeGreaterThan(count === 1 ? 0.6 : 0.7);
      const text = (kind: string) => ({ name: 'kind', datatype: 'BYTES' as const, shape: [1, 1], data: [kind] });
      const size = { name: 'size', datatype: 'FP32' as const, shape: [1, 1], data: Float32Array.of(0.5) };
      const probability = async (kind: string): Promise<number> =>
        (await runModel(outcome.modelPath, [text(kind), size])).probabilities!.data[1] as number;
      // What no training row has is none of the categories, and not a missing one.
      expect(await probability('never seen')).toBeGreaterThan(0);
      expect(await probability('')).toBeGreaterThan(0.7);
    },
  );

  it('predicts a quantile: this share of the holdout lies at or below it', async () => {
    const random = new SeededRandom(5);
    const lines = ['x,y'];
    for (let row = 0; row < 20_000; row++) {
      const x = random.next();
      lines.push(`${x},${10 * x + (1 + x) * -Math.log(1 - random.next())}`);
    }
    const folder = temporaryFolder();
    const file = path.join(folder, 'waits.csv');
    writeFileSync(file, `${lines.join('\n')}\n`);
    const table = await tableOf(file, 'CSV');
    const { outcome } = await trainModel(table, {
      algorithm: 'BOOSTED_TREES_REGRESSOR',
      target: { column: 'y' },
      features: [{ column: 'x', kind: 'NUMERIC' }],
      split: { by: 'RATIO', validation: 0.2, holdout: 0.3 },
      hyperparameters: { epochs: 100, quantile: 0.9, maxLeaves: 15 },
    });
    const fresh = Float32Array.from({ length: 20_000 }, () => random.next());
    const input = { name: 'x', datatype: 'FP32' as const, shape: [fresh.length, 1], data: fresh };
    const predicted = (await runModel(outcome.modelPath, [input])).prediction!.data as Float32Array;
    let below = 0;
    // The true 0.9 quantile of an exponential is ln 10 times its mean.
    let error = 0;
    fresh.forEach((x, i) => {
      if (10 * x + (1 + x) * -Math.log(1 - random.next()) <= predicted[i]!) below++;
      error += Math.abs(predicted[i]! - (10 * x + (1 + x) * Math.LN10)) / fresh.length;
    });
    expect(below / fresh.length).toBeGreaterThan(0.88);
    expect(below / fresh.length).toBeLessThan(0.92);
    expect(error).toBeLessThan(0.5);
  });

  it('stops by the pinball loss of its quantile, and is compared with the quantile of the training rows', async () => {
    const random = new SeededRandom(6);
    const lines = ['x,y'];
    for (let row = 0; row < 6_000; row++) {
      const x = random.next();
      lines.push(`${x},${x + 4 * -Math.log(1 - random.next())}`);
    }
    const file = path.join(temporaryFolder(), 'waits.csv');
    writeFileSync(file, `${lines.join('\n')}\n`);
    const table = await tableOf(file, 'CSV');
    const quantile = 0.05;
    const { outcome, epochs, config } = await trainModel(table, {
      algorithm: 'BOOSTED_TREES_REGRESSOR',
      target: { column: 'y' },
      features: [{ column: 'x', kind: 'NUMERIC' }],
      split: { by: 'RATIO', validation: 0.2, holdout: 0.3 },
      hyperparameters: { quantile },
    });
    const ofEpochs = (name: string) => epochs.map(({ metrics }) => metrics[`validation.${name}`]!);
    const losses = ofEpochs('pinball_loss');
    expect(losses.indexOf(Math.min(...losses)) + 1).toBe(outcome.bestEpoch);
    expect(outcome.stoppedEarly).toBe(true);
    expect(epochs.length).toBe(outcome.bestEpoch + 20);
    const ratios = ofEpochs('loss').map((loss, epoch) => loss / losses[epoch]!);
    for (const ratio of ratios) expect(ratio).toBeCloseTo(ratios[0]!, 10);
    // The mean has a smaller squared error than any 0.05 quantile; the pinball loss says which of them is right.
    expect(outcome.metrics['holdout.r2']).toBeLessThan(0);
    expect(outcome.warnings).toEqual([]);
    const holdout = await loadHoldout(table, config);
    const { prediction } = await runModel(outcome.modelPath, toTensors(holdout.columns, outcome.signature));
    const target = holdout.target!;
    if (target.kind !== 'VALUES') throw new Error('A number was asked for.');
    const predicted = Float64Array.from(prediction!.data as Float32Array);
    expect(outcome.metrics['holdout.pinball_loss']).toBeCloseTo(
      meanOf(pinballRows(target.values, predicted, quantile)),
      6,
    );
  });

  it('obeys a monotone constraint everywhere', async () => {
    const config: ConfigInput = {
      ...CONSUMPTION,
      features: [{ column: 'Weight_in_lbs', kind: 'NUMERIC', monotone: 'DECREASING' }],
      hyperparameters: { epochs: 100, minLeafRows: 2 },
    };
    const free = { ...config, features: [{ column: 'Weight_in_lbs', kind: 'NUMERIC' as const }] };
    const weights = Float32Array.from({ length: 4_000 }, (_, i) => 1_500 + i);
    const input = { name: 'Weight_in_lbs', datatype: 'FP32' as const, shape: [weights.length, 1], data: weights };
    const rises = async (one: ConfigInput): Promise<number> => {
      const { outcome } = await trainModel(cars, one);
      const predicted = (await runModel(outcome.modelPath, [input])).prediction!.data as Float32Array;
      return predicted.filter((value, i) => i > 0 && value > predicted[i - 1]!).length;
    };
    expect(await rises(config)).toBe(0);
    expect(await rises(free)).toBeGreaterThan(0);
  });
});

describe('the trainer of boosted trees', () => {
  it('refuses more leaves than it has memory for, whatever the number of rows', async () => {
    const bins = Array.from({ length: 300 }, (_, i) => i % 250);
    const wide = Array.from({ length: 200 }, () => bins);
    await expect(boost(wide, bins, false, { maxLeaves: 4_096 })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'config.hyperparameters.maxLeaves', got: '4096' },
    });
  });

  type Booster = boosterModule.Booster;
  const built = async <T>(file: string): Promise<T> =>
    (await import(new URL(`../../dist/training/trees/${file}.js`, import.meta.url).href)) as T;

  /** Trains on columns of bins as they are, with a squared loss. */
  async function boost(
    columns: readonly number[][],
    target: readonly number[],
    isCategory: boolean,
    options: Partial<boosterModule.BoosterOptions> = {},
    iterations = 1,
  ) {
    const { Booster, layOut } = await built<typeof boosterModule>('booster');
    const { Forest } = await built<typeof forestModule>('forest');
    const { Arena, sharedDoubles, sharedWords } = await built<typeof memoryModule>('memory');
    const features = columns.map((bins) => {
      const codes = Math.max(...bins) + 1;
      const edges = Float64Array.from({ length: codes - 1 }, (_, i) => i);
      return {
        binning: isCategory ? ({ kind: 'CATEGORY', codes } as const) : ({ kind: 'NUMERIC', edges } as const),
        monotone: 0 as const,
      };
    });
    const layout = layOut(features);
    const rows = target.length;
    const arena = new Arena();
    const words = layout.columns.map(({ features: inside }) => {
      const into = arena.words(rows);
      inside.forEach((feature, position) =>
        columns[feature]!.forEach((bin, row) => (into[row]! |= bin << (8 * position))),
      );
      return into;
    });
    const goal = sharedDoubles(rows);
    goal.set(target);
    const train = { rows, columns: words, scores: sharedDoubles(rows) };
    const none = { rows: 0, columns: layout.columns.map(() => sharedWords(0)), scores: sharedDoubles(0) };
    const forest = Forest.empty(layout.setWords);
    const booster: Booster = await Booster.start(
      { layout, train, validation: none, target: goal, weights: new Float64Array(), outputs: 1, arena },
      {
        ...{ loss: 'SQUARED', quantile: 0.5, maxLeaves: 2, maxDepth: 0, minLeafRows: 1, l2: 0, learningRate: 1 },
        ...{ rowShare: 1, featureShare: 1, seed: 1, threads: 1, ...options },
      },
      forest,
    );
    for (let iteration = 0; iteration < iterations; iteration++) booster.iterate(iteration);
    await booster.close();
    return { scores: [...train.scores], trees: [...forest.trees()] };
  }

  const squares = (values: readonly number[]): number => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  };

  /** The smallest sum of squared errors that any division of the rows by one column reaches. */
  function bestDivision(columns: readonly number[][], target: readonly number[], isCategory: boolean): number {
    let best = squares(target);
    for (const bins of columns) {
      const distinct = [...new Set(bins)].sort((a, b) => a - b);
      const sets = isCategory
        ? Array.from({ length: 2 ** distinct.length }, (_, mask) => distinct.filter((__, i) => (mask >> i) & 1))
        : distinct.map((edge) => distinct.filter((bin) => bin <= edge));
      for (const set of sets) {
        const left = target.filter((_, row) => set.includes(bins[row]!));
        const right = target.filter((_, row) => !set.includes(bins[row]!));
        if (left.length > 0 && right.length > 0) best = Math.min(best, squares(left) + squares(right));
      }
    }
    return best;
  }

  const problem = fc.integer({ min: 2, max: 40 }).chain((rows) =>
    fc.record({
      columns: fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: rows, maxLength: rows }), {
        minLength: 1,
        maxLength: 5,
      }),
      target: fc.array(fc.integer({ min: -8, max: 8 }), { minLength: rows, maxLength: rows }),
    }),
  );

  it('finds the best division by a number that brute force finds', async () => {
    await fc.assert(
      fc.asyncProperty(problem, async ({ columns, target }) => {
        const { scores } = await boost(columns, target, false);
        const error = target.reduce((sum, value, row) => sum + (value - scores[row]!) ** 2, 0);
        expect(error).toBeCloseTo(bestDivision(columns, target, false), 6);
      }),
      { numRuns: 200 },
    );
  });

  it('finds the best division by sets of categories that brute force finds, where categories are large enough', async () => {
    await fc.assert(
      fc.asyncProperty(problem, async ({ columns, target }) => {
        // Each row ten times: no category is too rare to count.
        const ten = <T>(values: readonly T[]): T[] => values.flatMap((value) => Array<T>(10).fill(value));
        const { scores } = await boost(columns.map(ten), ten(target), true);
        const error = ten(target).reduce((sum, value, row) => sum + (value - scores[row]!) ** 2, 0);
        // The order by mean is smoothed by ten rows, as in scikit-learn: nearly equal means may change places.
        const best = bestDivision(columns.map(ten), ten(target), true);
        expect(error).toBeLessThanOrEqual(best + 0.15 * (squares(ten(target)) - best) + 1e-6);
      }),
      { numRuns: 50 },
    );
  });

  it('gives the same trees on any number of threads, and when it begins again from some of them', async () => {
    const random = new SeededRandom(3);
    const rows = 60_000;
    const columns = Array.from({ length: 6 }, () => Array.from({ length: rows }, () => random.below(200)));
    const target = Array.from(
      { length: rows },
      (_, row) => columns[0]![row]! * columns[1]![row]! + random.below(1_000),
    );
    const options = { maxLeaves: 31, minLeafRows: 20, learningRate: 0.1 };
    const [one, three] = [
      await boost(columns, target, false, { ...options, threads: 1 }, 5),
      await boost(columns, target, false, { ...options, threads: 3 }, 5),
    ];
    expect(three!.trees).toEqual(one!.trees);
    expect(three!.scores).toEqual(one!.scores);
    expect(one!.trees.every(({ feature }) => feature.filter((at) => at < 0).length === 31)).toBe(true);
  });
});
