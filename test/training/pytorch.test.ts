import { readFileSync } from 'node:fs';
import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  isTrained,
  type NetworkShape,
  parametersOf,
  predictingNetwork,
  sizeOf,
} from '../../src/training/graphs/network.js';
import {
  carriedVectors,
  numbersOfStep,
  type OptimizerOptions,
  stepNumberCount,
} from '../../src/training/graphs/optimizers.js';
import { trainGraph } from '../../src/training/graphs/train-graph.js';
import { afterEpoch, FLAT_START, learningRateAt, type LearningRateOptions } from '../../src/training/learning-rate.js';
import { Predictor } from '../../src/training/predictor.js';
import { createSession, integers } from '../../src/training/session.js';
import { fixturePath } from './support.js';

interface Case {
  method: 'ADAM' | 'ADAMW' | 'SGD' | 'MOMENTUM' | 'NESTEROV';
  weightDecay: number;
  l2: number;
  clip: number | null;
  numeric: number[];
  embedded: number[];
  targets: number[];
  order: number[];
  kept: number[];
  before: Record<string, number[]>;
  after: Record<string, number[]>;
  losses: number[];
  probabilities: number[];
}

/** Written by scripts/fixtures/pytorch.py. */
const pytorch = JSON.parse(readFileSync(fixturePath('pytorch.json'), 'utf8')) as {
  batch: number;
  hidden: number[];
  keptFactor: number;
  cases: Case[];
  rates: Record<'stepEvery4' | 'cosineOf20' | 'warm4ThenCosineOf20' | 'plateau' | 'plateauLosses', number[]> & {
    learningRate: number;
  };
};

const RATES = { ADAM: 0.05, ADAMW: 0.05, SGD: 0.2, MOMENTUM: 0.2, NESTEROV: 0.2 };
const double = (data: Float64Array, ...dims: number[]): Tensor => new Tensor('float64', data, dims);
const largestDifference = (ours: ArrayLike<number>, theirs: readonly number[]): number => {
  expect(ours).toHaveLength(theirs.length);
  return Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!)));
};

function shapeOf({ before, numeric, targets }: Case): NetworkShape {
  const table = before.embedding_0;
  const firstRows = before.numeric_0!.length / pytorch.hidden[0]!;
  const numericWidth = numeric.length / targets.length;
  return {
    numericWidth,
    indicatorSlots: 0,
    indicatorCount: 0,
    ...(table && {
      embeddings: [{ categories: table.length / (firstRows - numericWidth), width: firstRows - numericWidth }],
    }),
    hiddenLayers: pytorch.hidden,
    batchNormalization: table !== undefined,
    outputs: before.bias_2!.length,
  };
}

describe('steps are those of PyTorch', () => {
  it.each(
    pytorch.cases.map((one): [string, Case] => [
      `${one.method}${one.l2 > 0 ? ' with l2' : ''}${one.clip === null ? '' : ' clipped'}, ${
        one.before.embedding_0 ? 'embedding, batch normalisation and dropout' : 'plain'
      }`,
      one,
    ]),
  )('%s', async (_, one) => {
    const shape = shapeOf(one);
    const isWhole = one.before.embedding_0 !== undefined;
    const rows = one.targets.length;
    const steps = one.losses.length;
    const units = pytorch.hidden.reduce((sum, width) => sum + width, 0);
    const optimizer: OptimizerOptions = {
      method: one.method === 'ADAM' || one.method === 'ADAMW' ? one.method : 'SGD',
      momentum: one.method === 'SGD' ? 0 : 0.8,
      nesterov: one.method === 'NESTEROV',
      weightDecay: one.weightDecay,
    };
    const parameters = parametersOf(shape);
    const flat = (of: Record<string, number[]>): number[] => parameters.flatMap(({ name }) => of[name]!);
    const numbers = Array.from({ length: steps }, (__, step) => numbersOfStep(optimizer, RATES[one.method], step));
    const trained = sizeOf(parameters.filter(isTrained));
    const session = await createSession(
      trainGraph(shape, {
        loss: 'CROSS_ENTROPY',
        l2: one.l2,
        optimizer,
        precision: 'double',
        gradientClipNorm: one.clip ?? undefined,
        keptFactor: isWhole ? pytorch.keptFactor : undefined,
      }),
    );
    const outputs = await session.run({
      numeric: double(Float64Array.from(one.numeric), rows, shape.numericWidth),
      ...(isWhole && {
        embedded: integers(Int32Array.from(one.embedded), rows, 1),
        dropout: new Tensor('bool', Uint8Array.from(one.kept), [steps, pytorch.batch, units]),
      }),
      targets: integers(Int32Array.from(one.targets)),
      order: integers(Int32Array.from(one.order), steps, pytorch.batch),
      schedule: double(Float64Array.from(numbers.flat()), steps, stepNumberCount(optimizer)),
      weights: double(Float64Array.from(flat(one.before)), sizeOf(parameters)),
      ...Object.fromEntries(
        carriedVectors(optimizer).map((name) => [name, double(new Float64Array(trained), trained)]),
      ),
    });
    expect(largestDifference(outputs.losses!.data as Float64Array, one.losses)).toBeLessThan(1e-12);
    const after = outputs.weights_out!.data as Float64Array;
    expect(largestDifference(after, flat(one.after))).toBeLessThan(1e-12);

    // What predicts is single precision, and batch normalisation is part of its weights.
    const network = predictingNetwork(shape, Float32Array.from(after));
    const predictor = await Predictor.create(network.shape, {
      kind: 'CLASSES',
      classes: ['a', 'b', 'c'],
      datatype: 'BYTES',
    });
    const predicted = await predictor.predict(network.weights, {
      rows,
      numeric: Float32Array.from(one.numeric),
      indicators: new Int32Array(),
      embedded: Int32Array.from(isWhole ? one.embedded : []),
    });
    const { probabilities } = predicted as { probabilities: Float32Array };
    expect(largestDifference(probabilities, one.probabilities)).toBeLessThan(2e-6);
  });
});

describe('learning rates are those of PyTorch', () => {
  const { rates } = pytorch;
  const options: LearningRateOptions = {
    schedule: 'CONSTANT',
    learningRate: rates.learningRate,
    warmupEpochs: 0,
    decayFactor: 0.1,
    decayEpochs: 2,
  };

  it.each<[keyof typeof rates, Partial<LearningRateOptions>, number]>([
    ['stepEvery4', { schedule: 'STEP', decayFactor: 0.5, decayEpochs: 4 }, 1],
    ['stepEvery4', { schedule: 'STEP', decayFactor: 0.5, decayEpochs: 2 }, 2],
    ['cosineOf20', { schedule: 'COSINE' }, 1],
    ['cosineOf20', { schedule: 'COSINE' }, 5],
    ['warm4ThenCosineOf20', { schedule: 'COSINE', warmupEpochs: 2 }, 2],
    ['warm4ThenCosineOf20', { schedule: 'COSINE', warmupEpochs: 0.8 }, 5],
  ])('%s, %j, with %i steps in an epoch', (name, more, stepsPerEpoch) => {
    const length = { stepsPerEpoch, epochs: 20 / stepsPerEpoch };
    const ours = Array.from({ length: 20 }, (_, step) => learningRateAt({ ...options, ...more }, step, length));
    expect(largestDifference(ours, rates[name] as number[])).toBeLessThan(1e-15);
  });

  it('on a plateau', () => {
    const falling = { ...options, schedule: 'PLATEAU' } as const;
    const length = { stepsPerEpoch: 1, epochs: rates.plateauLosses.length };
    let plateau = FLAT_START;
    const ours = rates.plateauLosses.map((loss, step) => {
      const rate = learningRateAt(falling, step, length, plateau);
      plateau = afterEpoch(falling, plateau, loss);
      return rate;
    });
    expect(largestDifference(ours, rates.plateau)).toBeLessThan(1e-15);
  });

  it('rises evenly to a constant rate', () => {
    const warm = { ...options, warmupEpochs: 0.5 };
    const ours = Array.from({ length: 7 }, (_, step) => learningRateAt(warm, step, { stepsPerEpoch: 10, epochs: 1 }));
    expect(ours.map((rate) => Math.round(rate * 100) / 100)).toEqual([0.06, 0.12, 0.18, 0.24, 0.3, 0.3, 0.3]);
  });
});
