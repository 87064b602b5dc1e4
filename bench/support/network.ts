import { fromDist } from './dist.ts';

/** A multilayer perceptron with fixed weights: input x [N, first width], output y [N, last width]. */
export async function multilayer(widths: number[]): Promise<Uint8Array> {
  const { GraphBuilder } = await fromDist<typeof import('../../src/inference/onnx/format/graph-builder.js')>(
    'inference/onnx/format/graph-builder.js',
  );
  const graph = new GraphBuilder();
  let value = graph.input('x', 'float', ['N', widths[0] ?? 1]);
  for (const [layer, outputs] of widths.slice(1).entries()) {
    const inputs = widths[layer] ?? 1;
    const weights = Float32Array.from(
      { length: inputs * outputs },
      (_, i) => Math.sin(i * 7.3 + layer) / Math.sqrt(inputs),
    );
    value = graph.node('MatMul', [value, graph.constant(weights, [inputs, outputs])]);
    if (layer < widths.length - 2) value = graph.node('Relu', [value]);
  }
  graph.output('y', value, 'float', ['N', widths.at(-1) ?? 1]);
  return graph.model('bench');
}
