import { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';
import { type EncodedBatch, forwardPass, splitParameters } from './forward.js';
import { type NetworkShape, type Parameter, parametersOf, sizeOf } from './network.js';

export type Loss = 'CROSS_ENTROPY' | 'SQUARED_ERROR';

export const ADAM_BETA1 = 0.9;
export const ADAM_BETA2 = 0.999;

/**
 * Makes a graph with many steps of Adam: a Loop over minibatches that carries the flat weights and both moments.
 * Inputs: numeric [rows, width] and indicators [rows, slots], as far as the shape has them; targets (int32 [rows] of
 * classes, or float [rows, 1]); order int32 [steps, batch], the row indexes of every minibatch; schedule float [steps,
 * 2], Adam's step size and epsilon of every step; weights, moment1, moment2 [parameters]. Outputs: weights, moment1,
 * moment2 and losses [steps], each the mean of its minibatch. The moments do not include the factor (1 − β); the
 * schedule includes it, which saves two passes over all parameters in every step.
 */
export function trainGraph(shape: NetworkShape, loss: Loss, l2: number, classWeights?: Float64Array): Uint8Array {
  const parameters = parametersOf(shape);
  const size = sizeOf(parameters);
  const outer = new GraphBuilder();
  if (shape.numericWidth > 0) outer.input('numeric', 'float', ['rows', shape.numericWidth]);
  if (shape.indicatorSlots > 0) outer.input('indicators', 'int32', ['rows', shape.indicatorSlots]);
  if (loss === 'CROSS_ENTROPY') outer.input('targets', 'int32', ['rows']);
  else outer.input('targets', 'float', ['rows', 1]);
  outer.input('order', 'int32', ['steps', 'batch']);
  outer.input('schedule', 'float', ['steps', 2]);
  for (const name of ['weights', 'moment1', 'moment2']) outer.input(name, 'float', [size]);

  const orderShape = outer.node('Shape', ['order']);
  const steps = outer.node('Gather', [orderShape, outer.int64(0n)]);
  const batchRows = outer.node('Cast', [outer.node('Gather', [orderShape, outer.int64(1n)])], { to: { int: 1 } });
  outer.alias('inverse_batch', outer.node('Reciprocal', [batchRows]));
  const results = outer.multi('Loop', [steps, '', 'weights', 'moment1', 'moment2'], 4, {
    body: { graph: stepBody(shape, parameters, loss, l2, classWeights) },
  });
  ['weights_out', 'moment1_out', 'moment2_out'].forEach((name, i) => outer.output(name, results[i]!, 'float', [size]));
  outer.output('losses', results[3]!, 'float', ['steps']);
  return outer.model('training');
}

function stepBody(
  shape: NetworkShape,
  parameters: readonly Parameter[],
  loss: Loss,
  l2: number,
  classWeights: Float64Array | undefined,
) {
  const b = new GraphBuilder('step_');
  const size = sizeOf(parameters);
  const iteration = b.input('step_iteration', 'int64', []);
  const condition = b.input('step_condition', 'bool', []);
  const weights = b.input('step_weights', 'float', [size]);
  const moment1 = b.input('step_moment1', 'float', [size]);
  const moment2 = b.input('step_moment2', 'float', [size]);

  const rows = b.node('Gather', ['order', iteration]);
  const batch: EncodedBatch = {
    numeric: shape.numericWidth > 0 ? b.node('Gather', ['numeric', rows]) : undefined,
    indicators: shape.indicatorSlots > 0 ? b.node('Gather', ['indicators', rows]) : undefined,
  };
  const targets = b.node('Gather', ['targets', rows]);
  const byName = splitParameters(b, weights, parameters);
  const { logits, activations } = forwardPass(b, shape, batch, byName);
  const { mean, gradient } =
    loss === 'CROSS_ENTROPY'
      ? crossEntropy(b, logits, targets, shape.outputs, classWeights)
      : squaredError(b, logits, targets);
  const gradients = backwardPass(b, shape, batch, byName, activations, gradient);

  let flat =
    parameters.length === 1
      ? b.node('Reshape', [gradients.get(parameters[0]!.name)!, b.ints(-1)])
      : flatten(b, parameters, gradients);
  if (l2 > 0) flat = b.node('Add', [flat, b.node('Mul', [weights, penaltyMask(b, parameters, l2)])]);
  const nextMoment1 = b.node('Add', [b.node('Mul', [moment1, b.float(ADAM_BETA1)]), flat]);
  const nextMoment2 = b.node('Add', [b.node('Mul', [moment2, b.float(ADAM_BETA2)]), b.node('Mul', [flat, flat])]);
  const [stepSize, epsilon] = b.multi('Split', [b.node('Gather', ['schedule', iteration]), b.ints(1, 1)], 2, {
    axis: { int: 0 },
  });
  const denominator = b.node('Add', [b.node('Sqrt', [nextMoment2]), epsilon!]);
  const change = b.node('Mul', [b.node('Div', [nextMoment1, denominator]), stepSize!]);

  b.output('step_condition_out', condition, 'bool', []);
  b.output('step_weights_out', b.node('Sub', [weights, change]), 'float', [size]);
  b.output('step_moment1_out', nextMoment1, 'float', [size]);
  b.output('step_moment2_out', nextMoment2, 'float', [size]);
  b.output('step_loss', mean, 'float', []);
  return b.graph('step');
}

interface LossAndGradient {
  mean: string;
  /** The gradient of the mean loss with respect to the logits. */
  gradient: string;
}

function crossEntropy(
  b: GraphBuilder,
  logits: string,
  targets: string,
  classes: number,
  classWeights: Float64Array | undefined,
): LossAndGradient {
  const identity = Float32Array.from({ length: classes * classes }, (_, i) => (i % (classes + 1) === 0 ? 1 : 0));
  const truth = b.node('Gather', [b.constant(identity, [classes, classes]), targets]);
  const logProbabilities = b.node('LogSoftmax', [logits], { axis: { int: -1 } });
  const error = b.node('Sub', [b.node('Exp', [logProbabilities]), truth]);
  // The weight of a row multiplies its loss, and so also its gradient.
  const weights =
    classWeights && b.node('Gather', [b.constant(Float32Array.from(classWeights), [classes, 1]), targets]);
  const weighted = (value: string): string => (weights === undefined ? value : b.node('Mul', [value, weights]));
  const likelihood = b.node('ReduceSum', [weighted(b.node('Mul', [truth, logProbabilities]))], {
    keepdims: { int: 0 },
  });
  return {
    mean: b.node('Neg', [b.node('Mul', [likelihood, 'inverse_batch'])]),
    gradient: b.node('Mul', [weighted(error), 'inverse_batch']),
  };
}

/**
 * The gradient is that of half the squared error, so that `l2` has the same meaning as in ridge regression's ‖y − Xw‖²
 * + α‖w‖², α = l2 · rows.
 */
function squaredError(b: GraphBuilder, logits: string, targets: string): LossAndGradient {
  const error = b.node('Sub', [logits, targets]);
  const sum = b.node('ReduceSum', [b.node('Mul', [error, error])], { keepdims: { int: 0 } });
  return { mean: b.node('Mul', [sum, 'inverse_batch']), gradient: b.node('Mul', [error, 'inverse_batch']) };
}

function backwardPass(
  b: GraphBuilder,
  shape: NetworkShape,
  batch: EncodedBatch,
  weights: ReadonlyMap<string, string>,
  activations: readonly string[],
  outputGradient: string,
): Map<string, string> {
  const gradients = new Map<string, string>();
  let gradient = outputGradient;
  for (let layer = shape.hiddenLayers.length; layer >= 1; layer--) {
    const activation = activations[layer - 1]!;
    gradients.set(`bias_${layer}`, columnSums(b, gradient));
    gradients.set(`weight_${layer}`, b.node('Gemm', [activation, gradient], { transA: { int: 1 } }));
    const back = b.node('Gemm', [gradient, weights.get(`weight_${layer}`)!], { transB: { int: 1 } });
    // An activation is zero or positive, so its sign is the derivative of Relu.
    gradient = b.node('Mul', [back, b.node('Sign', [activation])]);
  }
  gradients.set('bias_0', columnSums(b, gradient));
  if (batch.numeric !== undefined)
    gradients.set('numeric_0', b.node('Gemm', [batch.numeric, gradient], { transA: { int: 1 } }));
  if (batch.indicators !== undefined) {
    const width = shape.hiddenLayers[0] ?? shape.outputs;
    gradients.set('indicator_0', scatterRows(b, shape, batch.indicators, gradient, width));
  }
  return gradients;
}

/** Adds each row of `values` to the table rows that its indicators name; the other rows stay zero. */
export function scatterRows(
  b: GraphBuilder,
  shape: NetworkShape,
  indicators: string,
  values: string,
  width: number,
): string {
  const zeros = b.constant(new Float32Array(shape.indicatorCount * width), [shape.indicatorCount, width]);
  const indices = b.node('Reshape', [b.node('Cast', [indicators], { to: { int: 7 } }), b.ints(-1, 1)]);
  const repeated = b.node('Expand', [b.node('Unsqueeze', [values, b.ints(1)]), b.ints(1, shape.indicatorSlots, 1)]);
  return b.node('ScatterND', [zeros, indices, b.node('Reshape', [repeated, b.ints(-1, width)])], {
    reduction: { text: 'add' },
  });
}

function columnSums(b: GraphBuilder, matrix: string): string {
  return b.node('ReduceSum', [matrix, b.ints(0)], { keepdims: { int: 0 } });
}

function flatten(b: GraphBuilder, parameters: readonly Parameter[], gradients: ReadonlyMap<string, string>): string {
  const pieces = parameters.map(({ name, dims }) => {
    const gradient = gradients.get(name)!;
    return dims.length === 1 ? gradient : b.node('Reshape', [gradient, b.ints(-1)]);
  });
  return b.node('Concat', pieces, { axis: { int: 0 } });
}

function penaltyMask(b: GraphBuilder, parameters: readonly Parameter[], l2: number): string {
  const mask = new Float32Array(sizeOf(parameters));
  let offset = 0;
  for (const { kind, size } of parameters) {
    if (kind === 'WEIGHT') mask.fill(l2, offset, offset + size);
    offset += size;
  }
  return b.constant(mask);
}
