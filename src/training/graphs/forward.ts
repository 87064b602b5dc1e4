import type { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';
import type { NetworkShape, Parameter } from './network.js';

/** Names of the values of a batch. */
export interface EncodedBatch {
  /** Numbers, rows × width, float. */
  numeric: string | undefined;
  /** Indicator indices, rows × slots, integer. */
  indicators: string | undefined;
  /** For each embedding, the rows of its table, rows × 1, integer. */
  embedded: readonly string[];
}

/** Splits the flat parameter vector into tensors, by name. */
export function splitParameters(
  builder: GraphBuilder,
  flat: string,
  parameters: readonly Parameter[],
): Map<string, string> {
  const pieces =
    parameters.length === 1
      ? [flat]
      : builder.multi('Split', [flat, builder.ints(...parameters.map(({ size }) => size))], parameters.length, {
          axis: { int: 0 },
        });
  return new Map(
    parameters.map(({ name, dims }, i) => [
      name,
      dims.length === 1 ? pieces[i]! : builder.node('Reshape', [pieces[i]!, builder.ints(...dims)]),
    ]),
  );
}

/** Splits the matrix `embedded`, rows × embeddings, into the columns of a batch. */
export function splitColumns(builder: GraphBuilder, embedded: string, count: number): string[] {
  if (count === 1) return [embedded];
  const ones = builder.ints(...new Array<number>(count).fill(1));
  return builder.multi('Split', [embedded, ones], count, { axis: { int: 1 } });
}

/** The numbers that reach the first layer: the scaled ones, then the embeddings of the row's categories. */
export function denseInputs(
  builder: GraphBuilder,
  { numeric, embedded }: EncodedBatch,
  weights: ReadonlyMap<string, string>,
): string | undefined {
  const looked = embedded.map((rows, i) => {
    const found = builder.node('Gather', [weights.get(`embedding_${i}`)!, rows], { axis: { int: 0 } });
    return builder.node('Squeeze', [found, builder.ints(1)]);
  });
  const all = numeric === undefined ? looked : [numeric, ...looked];
  return all.length > 1 ? builder.node('Concat', all, { axis: { int: 1 } }) : all[0];
}

/** numbers · W + Σ table rows: the first layer without its bias. */
export function encodedProduct(
  builder: GraphBuilder,
  batch: Pick<EncodedBatch, 'numeric' | 'indicators'>,
  numericWeights?: string,
  indicatorTable?: string,
  bias?: string,
): string {
  let sum: string | undefined;
  if (batch.numeric !== undefined && numericWeights !== undefined) {
    sum = builder.node(
      'Gemm',
      bias === undefined ? [batch.numeric, numericWeights] : [batch.numeric, numericWeights, bias],
    );
  }
  if (batch.indicators === undefined || indicatorTable === undefined) return sum!;
  const rows = builder.node('Gather', [indicatorTable, batch.indicators], { axis: { int: 0 } });
  const looked = builder.node('ReduceSum', [rows, builder.ints(1)], { keepdims: { int: 0 } });
  if (sum !== undefined) return builder.node('Add', [sum, looked]);
  return bias === undefined ? looked : builder.node('Add', [looked, bias]);
}

/** The value before the output's softmax or identity, at prediction. */
export function forwardPass(
  builder: GraphBuilder,
  shape: NetworkShape,
  batch: EncodedBatch,
  weights: ReadonlyMap<string, string>,
): string {
  const dense = { numeric: denseInputs(builder, batch, weights), indicators: batch.indicators };
  const [first, table, bias] = ['numeric_0', 'indicator_0', 'bias_0'].map((name) => weights.get(name));
  let value = encodedProduct(builder, dense, first, table, bias);
  for (let layer = 1; layer <= shape.hiddenLayers.length; layer++) {
    const activation = builder.node('Relu', [value]);
    value = builder.node('Gemm', [activation, weights.get(`weight_${layer}`)!, weights.get(`bias_${layer}`)!]);
  }
  return value;
}
