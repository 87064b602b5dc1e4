import { denseInputs, type EncodedBatch, encodedProduct } from './forward.js';
import { embeddedWidth, type NetworkShape, NORMALIZATION_EPSILON } from './network.js';
import type { RealBuilder } from './real-builder.js';

/** The share of a minibatch's mean and variance in the running ones; PyTorch has the same. */
const RUNNING_SHARE = 0.1;

/** Scalars that the graph around the steps gives: 1 / rows of a minibatch, and rows / (rows − 1). */
export const INVERSE_BATCH = 'inverse_batch';
export const UNBIASED = 'unbiased';

/** What back-propagation needs of a hidden layer: sums → batch normalisation → Relu → dropout. */
interface HiddenLayer {
  normal: { values: string; inverseDeviation: string } | undefined;
  activation: string;
  /** 0 for a dropped unit, else the factor that makes up for the dropped ones. */
  mask: string | undefined;
  output: string;
}

export interface TrainingPass {
  dense: string | undefined;
  hidden: HiddenLayer[];
  logits: string;
  /** The new running means and variances, in the order of the parameters. */
  statistics: string[];
}

/** The network as it is trained. `masks`: of each hidden layer; absent without dropout. */
export function trainingPass(
  b: RealBuilder,
  shape: NetworkShape,
  batch: EncodedBatch,
  weights: ReadonlyMap<string, string>,
  masks: readonly string[] | undefined,
): TrainingPass {
  const isNormalized = (layer: number): boolean =>
    shape.batchNormalization === true && layer < shape.hiddenLayers.length;
  const biasOf = (layer: number): string | undefined =>
    isNormalized(layer) ? undefined : weights.get(`bias_${layer}`);
  const dense = denseInputs(b, batch, weights);
  const inputs = { numeric: dense, indicators: batch.indicators };
  let value = encodedProduct(b, inputs, weights.get('numeric_0'), weights.get('indicator_0'), biasOf(0));
  const hidden: HiddenLayer[] = [];
  const statistics: string[] = [];
  for (let layer = 0; layer < shape.hiddenLayers.length; layer++) {
    let normal: HiddenLayer['normal'];
    if (isNormalized(layer)) {
      const { running, ...rest } = normalized(b, value, weights, layer);
      normal = rest;
      statistics.push(...running);
      const scaled = b.node('Mul', [rest.values, weights.get(`scale_${layer}`)!]);
      value = b.node('Add', [scaled, weights.get(`bias_${layer}`)!]);
    }
    const activation = b.node('Relu', [value]);
    const mask = masks?.[layer];
    const output = mask === undefined ? activation : b.node('Mul', [activation, mask]);
    hidden.push({ normal, activation, mask, output });
    const bias = biasOf(layer + 1);
    const next = weights.get(`weight_${layer + 1}`)!;
    value = b.node('Gemm', bias === undefined ? [output, next] : [output, next, bias]);
  }
  return { dense, hidden, logits: value, statistics };
}

function normalized(b: RealBuilder, value: string, weights: ReadonlyMap<string, string>, layer: number) {
  const mean = b.node('ReduceMean', [value, b.ints(0)], { keepdims: { int: 0 } });
  const centred = b.node('Sub', [value, mean]);
  const variance = b.node('ReduceMean', [b.node('Mul', [centred, centred]), b.ints(0)], { keepdims: { int: 0 } });
  const deviation = b.node('Sqrt', [b.node('Add', [variance, b.real(NORMALIZATION_EPSILON)])]);
  const inverseDeviation = b.node('Reciprocal', [deviation]);
  const mixed = (old: string, current: string): string =>
    b.node('Add', [
      b.node('Mul', [weights.get(old)!, b.real(1 - RUNNING_SHARE)]),
      b.node('Mul', [current, b.real(RUNNING_SHARE)]),
    ]);
  const running = [mixed(`mean_${layer}`, mean), mixed(`variance_${layer}`, b.node('Mul', [variance, UNBIASED]))];
  return { values: b.node('Mul', [centred, inverseDeviation]), inverseDeviation, running };
}

/** The gradients of the trained parameters, by name. */
export function backwardPass(
  b: RealBuilder,
  shape: NetworkShape,
  batch: EncodedBatch,
  weights: ReadonlyMap<string, string>,
  { dense, hidden }: TrainingPass,
  outputGradient: string,
): Map<string, string> {
  const gradients = new Map<string, string>();
  let gradient = outputGradient;
  for (let layer = hidden.length; layer >= 1; layer--) {
    const { normal, activation, mask, output } = hidden[layer - 1]!;
    if (!gradients.has(`bias_${layer}`)) gradients.set(`bias_${layer}`, columnSums(b, gradient));
    gradients.set(`weight_${layer}`, b.node('Gemm', [output, gradient], { transA: { int: 1 } }));
    const back = b.node('Gemm', [gradient, weights.get(`weight_${layer}`)!], { transB: { int: 1 } });
    const reached = mask === undefined ? back : b.node('Mul', [back, mask]);
    // An activation is zero or positive, so its sign is the derivative of Relu.
    gradient = b.node('Mul', [reached, b.node('Sign', [activation])]);
    if (normal) {
      const shift = columnSums(b, gradient);
      const stretch = columnSums(b, b.node('Mul', [gradient, normal.values]));
      gradients.set(`bias_${layer - 1}`, shift);
      gradients.set(`scale_${layer - 1}`, stretch);
      // A sum also moves the mean and the variance of its unit.
      const byMean = b.node('Mul', [shift, INVERSE_BATCH]);
      const byVariance = b.node('Mul', [normal.values, b.node('Mul', [stretch, INVERSE_BATCH])]);
      const alone = b.node('Sub', [b.node('Sub', [gradient, byMean]), byVariance]);
      gradient = b.node('Mul', [alone, b.node('Mul', [weights.get(`scale_${layer - 1}`)!, normal.inverseDeviation])]);
    }
  }
  if (!gradients.has('bias_0')) gradients.set('bias_0', columnSums(b, gradient));
  if (dense !== undefined) gradients.set('numeric_0', b.node('Gemm', [dense, gradient], { transA: { int: 1 } }));
  if (batch.indicators !== undefined) {
    const width = shape.hiddenLayers[0] ?? shape.outputs;
    gradients.set(
      'indicator_0',
      scatterRows(b, [shape.indicatorCount, width], batch.indicators, shape.indicatorSlots, gradient),
    );
  }
  embeddingGradients(b, shape, batch, weights, gradient, gradients);
  return gradients;
}

function embeddingGradients(
  b: RealBuilder,
  shape: NetworkShape,
  batch: EncodedBatch,
  weights: ReadonlyMap<string, string>,
  gradient: string,
  gradients: Map<string, string>,
): void {
  const { numericWidth, embeddings = [] } = shape;
  if (embeddings.length === 0) return;
  const first = weights.get('numeric_0')!;
  const parts = b.ints(numericWidth, embeddedWidth(shape));
  const own = numericWidth === 0 ? first : b.multi('Split', [first, parts], 2, { axis: { int: 0 } })[1]!;
  const back = b.node('Gemm', [gradient, own], { transB: { int: 1 } });
  const pieces =
    embeddings.length === 1
      ? [back]
      : b.multi('Split', [back, b.ints(...embeddings.map(({ width }) => width))], embeddings.length, {
          axis: { int: 1 },
        });
  embeddings.forEach(({ categories, width }, i) =>
    gradients.set(`embedding_${i}`, scatterRows(b, [categories, width], batch.embedded[i]!, 1, pieces[i]!)),
  );
}

/** Adds each row of `values` to the table rows that its `slots` indices name; the other rows stay zero. */
function scatterRows(
  b: RealBuilder,
  [rows, width]: readonly [rows: number, width: number],
  indices: string,
  slots: number,
  values: string,
): string {
  const zeros = b.reals(new Float32Array(rows * width), [rows, width]);
  const places = b.node('Reshape', [b.node('Cast', [indices], { to: { int: 7 } }), b.ints(-1, 1)]);
  const repeated = b.node('Expand', [b.node('Unsqueeze', [values, b.ints(1)]), b.ints(1, slots, 1)]);
  return b.node('ScatterND', [zeros, places, b.node('Reshape', [repeated, b.ints(-1, width)])], {
    reduction: { text: 'add' },
  });
}

function columnSums(b: RealBuilder, matrix: string): string {
  return b.node('ReduceSum', [matrix, b.ints(0)], { keepdims: { int: 0 } });
}
