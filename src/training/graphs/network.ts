import type { SeededRandom } from '../../modules/statistics/index.js';

/**
 * A feed-forward network over an encoded row: `numericWidth` scaled numbers and, for every indicator slot (a
 * categorical column, an hour, a weekday), the index of its one active indicator. One-hot times weights is a sum of
 * weight rows, so the indicators' part of the first layer is a table lookup and never a dense matrix.
 */
export interface NetworkShape {
  numericWidth: number;
  /** Indicator slots; a row names one indicator in each. */
  indicatorSlots: number;
  /** Number of indicators in all slots together. */
  indicatorCount: number;
  /** Categorical columns whose category becomes learnt numbers beside the scaled ones. Absent: none. */
  embeddings?: readonly Embedding[];
  hiddenLayers: readonly number[];
  /** Whether each hidden layer normalises its sums over the minibatch, before Relu. Absent: no. */
  batchNormalization?: boolean;
  outputs: number;
}

/** A table with a row of `width` numbers for each of `categories`. */
export interface Embedding {
  categories: number;
  width: number;
}

export interface Parameter {
  name: string;
  dims: readonly number[];
  size: number;
  /** WEIGHT: the only kind with a penalty. SCALE: of batch normalisation. MEAN and VARIANCE are not trained. */
  kind: 'WEIGHT' | 'BIAS' | 'SCALE' | 'MEAN' | 'VARIANCE';
  /**
   * Inputs with a non-zero value that reach a unit, and units of the layer; the range of the initial weights depends on
   * both.
   */
  fanIn: number;
  fanOut: number;
}

/** What is added to a variance before its root is taken; PyTorch has the same. */
export const NORMALIZATION_EPSILON = 1e-5;

/** The width of all embeddings together. */
export function embeddedWidth({ embeddings = [] }: NetworkShape): number {
  return embeddings.reduce((sum, { width }) => sum + width, 0);
}

/** All parameters, in their order in the flat vector of the training; those that are not trained come last. */
export function parametersOf(shape: NetworkShape): Parameter[] {
  const { hiddenLayers, embeddings = [], batchNormalization: isNormalized = false } = shape;
  const parameters: Parameter[] = [];
  const add = (name: string, kind: Parameter['kind'], dims: number[], fanIn: number, fanOut: number): void => {
    parameters.push({ name, kind, dims, size: dims.reduce((a, b) => a * b, 1), fanIn, fanOut });
  };
  const widths = [...hiddenLayers, shape.outputs];
  const firstFanIn = shape.numericWidth + shape.indicatorSlots + embeddings.length;
  const denseWidth = shape.numericWidth + embeddedWidth(shape);
  widths.forEach((width, layer) => {
    if (layer === 0) {
      if (denseWidth > 0) add('numeric_0', 'WEIGHT', [denseWidth, width], firstFanIn, width);
      if (shape.indicatorSlots > 0) add('indicator_0', 'WEIGHT', [shape.indicatorCount, width], firstFanIn, width);
    } else {
      add(`weight_${layer}`, 'WEIGHT', [widths[layer - 1]!, width], widths[layer - 1]!, width);
    }
    if (isNormalized && layer < hiddenLayers.length) add(`scale_${layer}`, 'SCALE', [width], 0, width);
    add(`bias_${layer}`, 'BIAS', [width], 0, width);
  });
  // An embedding then has, all numbers of a category together, the size of one scaled number.
  embeddings.forEach(({ categories, width }, i) => add(`embedding_${i}`, 'WEIGHT', [categories, width], width, width));
  if (isNormalized) {
    hiddenLayers.forEach((width, layer) => {
      add(`mean_${layer}`, 'MEAN', [width], 0, width);
      add(`variance_${layer}`, 'VARIANCE', [width], 0, width);
    });
  }
  return parameters;
}

export function isTrained({ kind }: Parameter): boolean {
  return kind !== 'MEAN' && kind !== 'VARIANCE';
}

export function sizeOf(parameters: readonly Parameter[]): number {
  return parameters.reduce((sum, parameter) => sum + parameter.size, 0);
}

/** The parameters' parts of a flat vector: views, not copies. */
export function partsOf(parameters: readonly Parameter[], flat: Float32Array): Map<string, Float32Array> {
  let offset = 0;
  return new Map(parameters.map(({ name, size }) => [name, flat.subarray(offset, (offset += size))]));
}

/**
 * Glorot-uniform weights for hidden layers and embeddings; zeros for biases and when the problem is convex; batch
 * normalisation starts as the identity.
 */
export function initialWeights(shape: NetworkShape, random: SeededRandom): Float32Array {
  const parameters = parametersOf(shape);
  const weights = new Float32Array(sizeOf(parameters));
  const isConvex = shape.hiddenLayers.length === 0 && embeddedWidth(shape) === 0;
  if (isConvex) return weights;
  let offset = 0;
  for (const { kind, size, fanIn, fanOut } of parameters) {
    const limit = Math.sqrt(6 / (fanIn + fanOut));
    if (kind === 'WEIGHT') for (let i = 0; i < size; i++) weights[offset + i] = (2 * random.next() - 1) * limit;
    if (kind === 'SCALE' || kind === 'VARIANCE') weights.fill(1, offset, offset + size);
    offset += size;
  }
  return weights;
}

/**
 * The network that predicts: batch normalisation with its running statistics is a product and a sum per unit, so it
 * becomes part of the weights and biases before it.
 */
export function predictingNetwork(
  shape: NetworkShape,
  model: Float32Array,
): { shape: NetworkShape; weights: Float32Array } {
  if (!shape.batchNormalization) return { shape, weights: model };
  const trained = partsOf(parametersOf(shape), model);
  const plain = predictingShape(shape);
  const parameters = parametersOf(plain);
  const weights = new Float32Array(sizeOf(parameters));
  const parts = partsOf(parameters, weights);
  for (const [name, part] of parts) part.set(trained.get(name)!);
  shape.hiddenLayers.forEach((width, layer) => {
    const [scale, mean, variance] = ['scale', 'mean', 'variance'].map((name) => trained.get(`${name}_${layer}`)!);
    const factor = Float64Array.from({ length: width }, (_, unit) => {
      return scale![unit]! / Math.sqrt(variance![unit]! + NORMALIZATION_EPSILON);
    });
    for (const name of layer === 0 ? ['numeric_0', 'indicator_0'] : [`weight_${layer}`])
      parts.get(name)?.forEach((weight, i, all) => (all[i] = weight * factor[i % width]!));
    parts.get(`bias_${layer}`)!.forEach((bias, unit, all) => (all[unit] = bias - mean![unit]! * factor[unit]!));
  });
  return { shape: plain, weights };
}

/** The shape of `predictingNetwork`. */
export function predictingShape(shape: NetworkShape): NetworkShape {
  return { ...shape, batchNormalization: false };
}
