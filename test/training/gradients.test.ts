import { Tensor } from 'onnxruntime-node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import {
  initialWeights,
  isTrained,
  type NetworkShape,
  parametersOf,
  sizeOf,
} from '../../src/training/graphs/network.js';
import type { OptimizerOptions } from '../../src/training/graphs/optimizers.js';
import { type Loss, trainGraph, type TrainGraphOptions } from '../../src/training/graphs/train-graph.js';
import { createSession, floats, integers } from '../../src/training/session.js';

const ROWS = 24;
/**
 * A step for single precision: large enough that rounding does not hide the difference, small enough that few Relus
 * change within it.
 */
const STEP = 5e-4;
const ADAM: OptimizerOptions = { method: 'ADAM', momentum: 0, nesterov: false, weightDecay: 0 };
const SGD: OptimizerOptions = { ...ADAM, method: 'SGD' };

async function largestGradientError(shape: NetworkShape, loss: Loss, l2: number): Promise<number> {
  const random = new SeededRandom(5);
  const session = await createSession(trainGraph(shape, { loss, l2, optimizer: ADAM }));
  const numeric = Float32Array.from({ length: ROWS * shape.numericWidth }, () => random.next() * 2 - 1);
  const indicators = Int32Array.from({ length: ROWS * shape.indicatorSlots }, () => random.below(shape.indicatorCount));
  const targets =
    loss === 'CROSS_ENTROPY'
      ? integers(Int32Array.from({ length: ROWS }, () => random.below(shape.outputs)))
      : floats(
          Float32Array.from({ length: ROWS }, () => random.next() * 2 - 1),
          ROWS,
          1,
        );
  const weights = initialWeights({ ...shape, hiddenLayers: [...shape.hiddenLayers] }, random).map(
    (weight) => weight || random.next() * 0.4 - 0.2,
  );
  const zeros = (): Float32Array => new Float32Array(weights.length);

  const step = async (at: Float32Array): Promise<{ loss: number; gradient: Float32Array }> => {
    const outputs = await session.run({
      ...(shape.numericWidth > 0 && { numeric: floats(numeric, ROWS, shape.numericWidth) }),
      ...(shape.indicatorSlots > 0 && { indicators: integers(indicators, ROWS, shape.indicatorSlots) }),
      targets,
      order: integers(
        Int32Array.from({ length: ROWS }, (_, row) => row),
        1,
        ROWS,
      ),
      schedule: floats(Float32Array.of(0, 1e-8), 1, 2),
      weights: floats(at),
      moment1: floats(zeros()),
      moment2: floats(zeros()),
    });
    // From a first moment of zero, one step leaves the gradient itself.
    return { loss: (outputs.losses!.data as Float32Array)[0]!, gradient: outputs.moment1_out!.data as Float32Array };
  };
  const { gradient } = await step(weights);
  let largest = 0;
  for (let i = 0; i < weights.length; i++) {
    const moved = async (by: number): Promise<number> =>
      (await step(weights.map((weight, k) => (k === i ? weight + by : weight)))).loss;
    // The gradient of the squared error is that of its half.
    const scale = loss === 'SQUARED_ERROR' ? 0.5 : 1;
    const numericGradient = (scale * ((await moved(STEP)) - (await moved(-STEP)))) / (2 * STEP);
    largest = Math.max(largest, Math.abs(gradient[i]! - numericGradient));
  }
  return largest;
}

describe('back-propagation agrees with numeric differentiation', () => {
  it.each<[string, NetworkShape, Loss]>([
    [
      'softmax over numbers',
      { numericWidth: 3, indicatorSlots: 0, indicatorCount: 0, hiddenLayers: [], outputs: 3 },
      'CROSS_ENTROPY',
    ],
    [
      'softmax over indicators',
      { numericWidth: 0, indicatorSlots: 2, indicatorCount: 7, hiddenLayers: [], outputs: 2 },
      'CROSS_ENTROPY',
    ],
    [
      'a network over both',
      { numericWidth: 2, indicatorSlots: 2, indicatorCount: 6, hiddenLayers: [5, 4], outputs: 3 },
      'CROSS_ENTROPY',
    ],
    [
      'a regression network',
      { numericWidth: 2, indicatorSlots: 1, indicatorCount: 4, hiddenLayers: [6], outputs: 1 },
      'SQUARED_ERROR',
    ],
  ])('%s', async (_, shape, loss) => {
    expect(await largestGradientError(shape, loss, 0)).toBeLessThan(1e-3);
  });

  it('penalises weights but not biases', async () => {
    const shape: NetworkShape = { numericWidth: 2, indicatorSlots: 0, indicatorCount: 0, hiddenLayers: [], outputs: 2 };
    const gradientWith = async (l2: number): Promise<Float32Array> => {
      const session = await createSession(trainGraph(shape, { loss: 'CROSS_ENTROPY', l2, optimizer: ADAM }));
      const weights = Float32Array.of(1, 2, 3, 4, 5, 6);
      const zeros = floats(new Float32Array(6));
      const outputs = await session.run({
        numeric: floats(Float32Array.of(1, 1), 1, 2),
        targets: integers(Int32Array.of(0)),
        order: integers(Int32Array.of(0), 1, 1),
        schedule: floats(Float32Array.of(0, 1e-8), 1, 2),
        weights: floats(weights),
        moment1: zeros,
        moment2: zeros,
      });
      return outputs.moment1_out!.data as Float32Array;
    };
    const without = await gradientWith(0);
    const penalty = (await gradientWith(0.5)).map((value, i) => value - without[i]!);
    expect(Array.from(penalty, (value) => Math.round(value * 1e4) / 1e4)).toEqual([0.5, 1, 1.5, 2, 0, 0]);
  });
});

const DOUBLE_STEP = 1e-6;

const networks = fc
  .record({
    numericWidth: fc.integer({ min: 0, max: 3 }),
    indicatorSlots: fc.integer({ min: 0, max: 2 }),
    indicatorCount: fc.integer({ min: 2, max: 5 }),
    embeddings: fc.array(
      fc.record({ categories: fc.integer({ min: 1, max: 4 }), width: fc.integer({ min: 1, max: 3 }) }),
      { maxLength: 3 },
    ),
    hiddenLayers: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
    batchNormalization: fc.boolean(),
    classes: fc.integer({ min: 2, max: 4 }),
    loss: fc.constantFrom<Loss>('CROSS_ENTROPY', 'SQUARED_ERROR'),
    isWeighted: fc.boolean(),
    hasRowWeights: fc.boolean(),
    hasDropout: fc.boolean(),
    l2: fc.constantFrom(0, 0.1),
    gradientClipNorm: fc.constantFrom(undefined, 0.05, 100),
    rows: fc.integer({ min: 2, max: 9 }),
    seed: fc.nat(),
  })
  .filter(({ numericWidth, indicatorSlots, embeddings }) => numericWidth + indicatorSlots + embeddings.length > 0);

it('agrees in double precision on random networks with every part', async () => {
  await fc.assert(
    fc.asyncProperty(networks, async (one) => {
      const { rows, embeddings, hiddenLayers, loss, l2, gradientClipNorm } = one;
      const random = new SeededRandom(one.seed);
      const reals = (length: number): Float64Array => Float64Array.from({ length }, () => random.next() * 2 - 1);
      const shape: NetworkShape = {
        numericWidth: one.numericWidth,
        indicatorSlots: one.indicatorSlots,
        indicatorCount: one.indicatorSlots > 0 ? one.indicatorCount : 0,
        embeddings,
        hiddenLayers,
        batchNormalization: one.batchNormalization,
        outputs: loss === 'CROSS_ENTROPY' ? one.classes : 1,
      };
      const options: TrainGraphOptions = {
        loss,
        l2,
        optimizer: SGD,
        gradientClipNorm,
        precision: 'double',
        ...(one.isWeighted && loss === 'CROSS_ENTROPY' && { classWeights: reals(one.classes).map((x) => x + 1.5) }),
        hasRowWeights: one.hasRowWeights,
        ...(one.hasDropout && hiddenLayers.length > 0 && { keptFactor: 1.25 }),
      };
      const units = hiddenLayers.reduce((sum, width) => sum + width, 0);
      const indices = (count: number, below: (column: number) => number): Int32Array =>
        Int32Array.from({ length: rows * count }, (_, at) => random.below(below(at % count)));
      const double = (data: Float64Array, ...dims: number[]): Tensor => new Tensor('float64', data, dims);
      const feeds = {
        ...(one.numericWidth > 0 && { numeric: double(reals(rows * one.numericWidth), rows, one.numericWidth) }),
        ...(one.indicatorSlots > 0 && {
          indicators: integers(
            indices(one.indicatorSlots, () => one.indicatorCount),
            rows,
            one.indicatorSlots,
          ),
        }),
        ...(embeddings.length > 0 && {
          embedded: integers(
            indices(embeddings.length, (column) => embeddings[column]!.categories),
            rows,
            embeddings.length,
          ),
        }),
        targets:
          loss === 'CROSS_ENTROPY'
            ? integers(
                indices(1, () => one.classes),
                rows,
              )
            : double(reals(rows), rows, 1),
        ...(one.hasRowWeights && {
          row_weights: double(
            reals(rows).map((x) => Math.max(0, x + 0.5)),
            rows,
            1,
          ),
        }),
        order: integers(
          Int32Array.from({ length: rows }, (_, row) => row),
          1,
          rows,
        ),
        ...(options.keptFactor !== undefined && {
          dropout: new Tensor(
            'bool',
            Uint8Array.from({ length: rows * units }, () => random.below(4) && 1),
            [1, rows, units],
          ),
        }),
      };
      const session = await createSession(trainGraph(shape, options));
      const parameters = parametersOf(shape);
      const trained = sizeOf(parameters.filter(isTrained));
      const weights = reals(sizeOf(parameters));
      const isWeight = parameters.flatMap(({ kind, size }) => new Array<boolean>(size).fill(kind === 'WEIGHT'));
      const run = async (at: Float64Array, rate: number): Promise<{ loss: number; after: Float64Array }> => {
        const outputs = await session.run({
          ...feeds,
          schedule: double(Float64Array.of(rate), 1, 1),
          weights: double(at, at.length),
        });
        return { loss: (outputs.losses!.data as Float64Array)[0]!, after: outputs.weights_out!.data as Float64Array };
      };
      // A step of size 1 along the gradient.
      const { after } = await run(weights, 1);
      const gradient = weights.subarray(0, trained).map((weight, i) => weight - after[i]!);
      const expected = new Float64Array(trained);
      for (let i = 0; i < trained; i++) {
        const moved = async (by: number): Promise<number> =>
          (
            await run(
              weights.map((weight, k) => (k === i ? weight + by : weight)),
              0,
            )
          ).loss;
        const slope = ((await moved(DOUBLE_STEP)) - (await moved(-DOUBLE_STEP))) / (2 * DOUBLE_STEP);
        // The gradient of the squared error is that of its half.
        expected[i] = (loss === 'SQUARED_ERROR' ? 0.5 : 1) * slope + (isWeight[i] ? l2 * weights[i]! : 0);
      }
      const norm = Math.hypot(...expected);
      const factor = gradientClipNorm === undefined ? 1 : Math.min(1, gradientClipNorm / (norm + 1e-6));
      const errors = expected.map((slope, i) => Math.abs(factor * slope - gradient[i]!));
      expect(Math.max(...errors)).toBeLessThan(1e-6);
    }),
    { numRuns: 150 },
  );
});
