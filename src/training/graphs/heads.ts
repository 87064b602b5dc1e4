import type { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';
import { type EncodedBatch, encodedProduct } from './forward.js';
import { type NetworkShape, type Parameter, parametersOf } from './network.js';

/** The output part of a network: classification, regression, clustering. */
export type Head =
  | { kind: 'CLASSES'; classes: readonly string[]; datatype: 'INT64' | 'BYTES' }
  /**
   * The network's own output is in standard units of the target. FP64 when single precision would lose differences of
   * the target. `quantile`: this quantile is predicted, and not the mean.
   */
  | { kind: 'VALUE'; mean: number; std: number; precision: 'FP32' | 'FP64'; quantile?: number }
  | { kind: 'CLUSTERS' };

const DOUBLE = 11;
const FLOAT = 1;

/** A k-means model is a first layer without biases; its weights are the centroids. */
export function parametersFor(shape: NetworkShape, head: Head): Parameter[] {
  const parameters = parametersOf(shape);
  return head.kind === 'CLUSTERS' ? parameters.filter(({ kind }) => kind === 'WEIGHT') : parameters;
}

export function probabilities(b: GraphBuilder, logits: string): string {
  return b.node('Softmax', [logits], { axis: { int: -1 } });
}

/** Converts from standard units to the target's own units, one value per row. */
export function targetValue(
  b: GraphBuilder,
  logits: string,
  { mean, std, precision }: Head & { kind: 'VALUE' },
): string {
  const double = (value: number): string => b.constant(Float64Array.of(value), []);
  const scaled =
    precision === 'FP32'
      ? b.node('Add', [b.node('Mul', [logits, b.float(std)]), b.float(mean)])
      : b.node('Add', [b.node('Mul', [b.node('Cast', [logits], { to: { int: DOUBLE } }), double(std)]), double(mean)]);
  return b.node('Reshape', [scaled, b.ints(-1)]);
}

/**
 * Squared Euclidean distances to every centroid, rows × clusters, as ‖x‖² − 2x·c + ‖c‖². In double precision, because
 * the difference of nearly equal squares would lose the distance of close points.
 */
export function squaredDistances(
  b: GraphBuilder,
  shape: NetworkShape,
  batch: EncodedBatch,
  weights: ReadonlyMap<string, string>,
): string {
  const double = (value: string | undefined): string | undefined =>
    value === undefined ? undefined : b.node('Cast', [value], { to: { int: DOUBLE } });
  const numericWeights = double(weights.get('numeric_0'));
  const table = double(weights.get('indicator_0'));
  const numeric = double(batch.numeric);
  const product = encodedProduct(b, { numeric, indicators: batch.indicators }, numericWeights, table);
  const squares = [numericWeights, table]
    .filter((value) => value !== undefined)
    .map((value) => sumOfSquares(b, value, 0));
  const centroidSquares = squares.length === 2 ? b.node('Add', [squares[0]!, squares[1]!]) : squares[0]!;
  // The indicators of a row are as many ones as there are slots.
  const slots = b.constant(Float64Array.of(shape.indicatorSlots), []);
  const rowSquares = numeric === undefined ? slots : b.node('Add', [sumOfSquares(b, numeric, 1), slots]);
  const twice = b.node('Mul', [product, b.constant(Float64Array.of(-2), [])]);
  const distances = b.node('Add', [b.node('Add', [twice, centroidSquares]), rowSquares]);
  return b.node('Max', [distances, b.constant(Float64Array.of(0), [])]);
}

export function toFloat(b: GraphBuilder, value: string): string {
  return b.node('Cast', [value], { to: { int: FLOAT } });
}

function sumOfSquares(b: GraphBuilder, value: string, axis: number): string {
  return b.node('ReduceSum', [b.node('Mul', [value, value]), b.ints(axis)], { keepdims: { int: 1 } });
}

export function nearest(b: GraphBuilder, distances: string): string {
  return b.node('ArgMin', [distances], { axis: { int: -1 }, keepdims: { int: 0 } });
}
