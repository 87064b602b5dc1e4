import { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';
import { type EncodedBatch, forwardPass, splitColumns, splitParameters } from './forward.js';
import { type Head, nearest, parametersFor, probabilities, squaredDistances, targetValue, toFloat } from './heads.js';
import { type NetworkShape, sizeOf } from './network.js';

/**
 * Makes the graph of the trainer's own predictions on encoded rows, with the weights as an input, without batch
 * normalisation. Outputs by head:
 * probabilities [rows, classes]; prediction [rows]; distances [rows, clusters], cluster int64 [rows] and squared float
 * [rows], the squared distance to that cluster.
 */
export function predictGraph(shape: NetworkShape, head: Head): Uint8Array {
  const b = new GraphBuilder();
  const { embeddings = [] } = shape;
  const embedded = embeddings.length > 0 ? b.input('embedded', 'int32', ['rows', embeddings.length]) : undefined;
  const batch: EncodedBatch = {
    numeric: shape.numericWidth > 0 ? b.input('numeric', 'float', ['rows', shape.numericWidth]) : undefined,
    indicators: shape.indicatorSlots > 0 ? b.input('indicators', 'int32', ['rows', shape.indicatorSlots]) : undefined,
    embedded: embedded === undefined ? [] : splitColumns(b, embedded, embeddings.length),
  };
  const parameters = parametersFor(shape, head);
  const flat = b.input('weights', 'float', [sizeOf(parameters)]);
  const weights = splitParameters(b, flat, parameters);
  if (head.kind === 'CLUSTERS') {
    const squared = squaredDistances(b, shape, batch, weights);
    b.output('cluster', nearest(b, squared), 'int64', ['rows']);
    b.output('squared', toFloat(b, b.node('ReduceMin', [squared, b.ints(-1)], { keepdims: { int: 0 } })), 'float', [
      'rows',
    ]);
    b.output('distances', toFloat(b, b.node('Sqrt', [squared])), 'float', ['rows', shape.outputs]);
    return b.model('prediction');
  }
  const logits = forwardPass(b, shape, batch, weights);
  if (head.kind === 'CLASSES') b.output('probabilities', probabilities(b, logits), 'float', ['rows', shape.outputs]);
  else b.output('prediction', targetValue(b, logits, head), head.precision === 'FP64' ? 'double' : 'float', ['rows']);
  return b.model('prediction');
}
