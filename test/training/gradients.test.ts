import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { initialWeights, type NetworkShape } from '../../src/training/graphs/network.js';
import { type Loss, trainGraph } from '../../src/training/graphs/train-graph.js';
import { createSession, floats, integers } from '../../src/training/session.js';

const ROWS = 24;
/**
 * A step for single precision: large enough that rounding does not hide the difference, small enough that few Relus
 * change within it.
 */
const STEP = 5e-4;

async function largestGradientError(shape: NetworkShape, loss: Loss, l2: number): Promise<number> {
  const random = new SeededRandom(5);
  const session = await createSession(trainGraph(shape, loss, l2));
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
      const session = await createSession(trainGraph(shape, 'CROSS_ENTROPY', l2));
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
