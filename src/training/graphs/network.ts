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
  hiddenLayers: readonly number[];
  outputs: number;
}

export interface Parameter {
  name: string;
  dims: readonly number[];
  size: number;
  /** L2 applies to weights, not to biases. */
  kind: 'WEIGHT' | 'BIAS';
  /**
   * Inputs with a non-zero value that reach a unit, and units of the layer; the range of the initial weights depends on
   * both.
   */
  fanIn: number;
  fanOut: number;
}

/** All parameters, in their order in the flat vector of the training. */
export function parametersOf(shape: NetworkShape): Parameter[] {
  const parameters: Parameter[] = [];
  const add = (name: string, kind: Parameter['kind'], dims: number[], fanIn: number, fanOut: number): void => {
    parameters.push({ name, kind, dims, size: dims.reduce((a, b) => a * b, 1), fanIn, fanOut });
  };
  const widths = [...shape.hiddenLayers, shape.outputs];
  const firstFanIn = shape.numericWidth + shape.indicatorSlots;
  widths.forEach((width, layer) => {
    if (layer === 0) {
      if (shape.numericWidth > 0) add('numeric_0', 'WEIGHT', [shape.numericWidth, width], firstFanIn, width);
      if (shape.indicatorSlots > 0) add('indicator_0', 'WEIGHT', [shape.indicatorCount, width], firstFanIn, width);
    } else {
      add(`weight_${layer}`, 'WEIGHT', [widths[layer - 1]!, width], widths[layer - 1]!, width);
    }
    add(`bias_${layer}`, 'BIAS', [width], 0, width);
  });
  return parameters;
}

export function sizeOf(parameters: readonly Parameter[]): number {
  return parameters.reduce((sum, parameter) => sum + parameter.size, 0);
}

/** Glorot-uniform weights for hidden layers; zeros for biases and when the problem is convex. */
export function initialWeights(shape: NetworkShape, random: SeededRandom): Float32Array {
  const parameters = parametersOf(shape);
  const weights = new Float32Array(sizeOf(parameters));
  if (shape.hiddenLayers.length === 0) return weights;
  let offset = 0;
  for (const { kind, size, fanIn, fanOut } of parameters) {
    const limit = Math.sqrt(6 / (fanIn + fanOut));
    if (kind === 'WEIGHT') for (let i = 0; i < size; i++) weights[offset + i] = (2 * random.next() - 1) * limit;
    offset += size;
  }
  return weights;
}
