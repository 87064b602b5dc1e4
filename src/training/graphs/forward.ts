import type { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';
import type { NetworkShape, Parameter } from './network.js';

/** Names of the values of a batch: numbers (rows × width, float) and indicator indices (rows × slots, integer). */
export interface EncodedBatch {
  numeric: string | undefined;
  indicators: string | undefined;
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

/** numeric · W + Σ table rows: the first layer without its bias. */
export function encodedProduct(
  builder: GraphBuilder,
  batch: EncodedBatch,
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

/** The value before the output's softmax or identity, and the hidden activations, which back-propagation needs. */
export function forwardPass(
  builder: GraphBuilder,
  shape: NetworkShape,
  batch: EncodedBatch,
  weights: ReadonlyMap<string, string>,
): { logits: string; activations: string[] } {
  const activations: string[] = [];
  let value = encodedProduct(
    builder,
    batch,
    weights.get('numeric_0'),
    weights.get('indicator_0'),
    weights.get('bias_0'),
  );
  for (let layer = 1; layer <= shape.hiddenLayers.length; layer++) {
    const activation = builder.node('Relu', [value]);
    activations.push(activation);
    value = builder.node('Gemm', [activation, weights.get(`weight_${layer}`)!, weights.get(`bias_${layer}`)!]);
  }
  return { logits: value, activations };
}
