import { type EncodedBatch, splitColumns, splitParameters } from './forward.js';
import { backwardPass, INVERSE_BATCH, trainingPass, UNBIASED } from './layers.js';
import { isTrained, type NetworkShape, type Parameter, parametersOf, sizeOf } from './network.js';
import { carriedVectors, type OptimizerOptions, stepNumberCount, stepOf } from './optimizers.js';
import { type Precision, RealBuilder } from './real-builder.js';

export type Loss = 'CROSS_ENTROPY' | 'SQUARED_ERROR';

export interface TrainGraphOptions {
  loss: Loss;
  /** Added to the mean loss of a row as l2/2 · ‖weights‖². */
  l2: number;
  optimizer: OptimizerOptions;
  /** The weight of a row of each class; all 1 when absent. */
  classWeights?: Float64Array;
  /** Whether rows have weights, as the input row_weights [rows, 1]. */
  hasRowWeights?: boolean;
  /** The factor of a unit that is not dropped. Absent: no dropout. */
  keptFactor?: number;
  /** A longer gradient, of all parameters together, is shortened to this length. Absent: it is not. */
  gradientClipNorm?: number;
  /** Single precision when absent. */
  precision?: Precision;
}

/** PyTorch adds the same to the norm of the gradient. */
const CLIP_EPSILON = 1e-6;

/**
 * Makes a graph with many steps: a Loop over minibatches that carries the flat weights and what the optimiser carries.
 * Inputs: numeric [rows, width], indicators [rows, slots] and embedded [rows, embeddings], as far as the shape has
 * them; targets (int32 [rows] of classes, or real [rows, 1]); row_weights, when rows have weights; order int32
 * [steps, batch], the row indexes of every minibatch; schedule real [steps, numbers], see `numbersOfStep`; dropout
 * bool [steps, batch, hidden units], the units that stay; weights [parameters] and the optimiser's vectors [trained
 * parameters]. Outputs: weights and the vectors, named …_out, and losses [steps], each the mean of its minibatch.
 */
export function trainGraph(shape: NetworkShape, options: TrainGraphOptions): Uint8Array {
  const { loss, optimizer, keptFactor, precision = 'float' } = options;
  const parameters = parametersOf(shape);
  const size = sizeOf(parameters);
  const trainedSize = sizeOf(parameters.filter(isTrained));
  const outer = new RealBuilder(precision);
  if (shape.numericWidth > 0) outer.input('numeric', precision, ['rows', shape.numericWidth]);
  if (shape.indicatorSlots > 0) outer.input('indicators', 'int32', ['rows', shape.indicatorSlots]);
  if (shape.embeddings?.length) outer.input('embedded', 'int32', ['rows', shape.embeddings.length]);
  if (loss === 'CROSS_ENTROPY') outer.input('targets', 'int32', ['rows']);
  else outer.input('targets', precision, ['rows', 1]);
  if (options.hasRowWeights) outer.input('row_weights', precision, ['rows', 1]);
  outer.input('order', 'int32', ['steps', 'batch']);
  outer.input('schedule', precision, ['steps', stepNumberCount(optimizer)]);
  const units = shape.hiddenLayers.reduce((sum, width) => sum + width, 0);
  if (keptFactor !== undefined) outer.input('dropout', 'bool', ['steps', 'batch', units]);
  const carried = ['weights', ...carriedVectors(optimizer)];
  carried.forEach((name, i) => outer.input(name, precision, [i === 0 ? size : trainedSize]));

  const orderShape = outer.node('Shape', ['order']);
  const steps = outer.node('Gather', [orderShape, outer.int64(0n)]);
  const inverse = outer.node('Reciprocal', [outer.toReal(outer.node('Gather', [orderShape, outer.int64(1n)]))]);
  outer.alias(INVERSE_BATCH, inverse);
  if (shape.batchNormalization)
    outer.alias(UNBIASED, outer.node('Reciprocal', [outer.node('Sub', [outer.real(1), inverse])]));
  const results = outer.multi('Loop', [steps, '', ...carried], carried.length + 1, {
    body: { graph: stepBody(shape, parameters, options) },
  });
  carried.forEach((name, i) => outer.output(`${name}_out`, results[i]!, precision, [i === 0 ? size : trainedSize]));
  outer.output('losses', results[carried.length]!, precision, ['steps']);
  return outer.model('training');
}

function stepBody(shape: NetworkShape, parameters: readonly Parameter[], options: TrainGraphOptions) {
  const { loss, l2, optimizer, classWeights, precision = 'float' } = options;
  const b = new RealBuilder(precision, 'step_');
  const size = sizeOf(parameters);
  const trained = parameters.filter(isTrained);
  const iteration = b.input('step_iteration', 'int64', []);
  const condition = b.input('step_condition', 'bool', []);
  const model = b.input('step_weights', precision, [size]);
  const names = carriedVectors(optimizer);
  const carried = names.map((name) => b.input(`step_${name}`, precision, [sizeOf(trained)]));

  const rows = b.node('Gather', ['order', iteration]);
  const count = shape.embeddings?.length ?? 0;
  const batch: EncodedBatch = {
    numeric: shape.numericWidth > 0 ? b.node('Gather', ['numeric', rows]) : undefined,
    indicators: shape.indicatorSlots > 0 ? b.node('Gather', ['indicators', rows]) : undefined,
    embedded: count > 0 ? splitColumns(b, b.node('Gather', ['embedded', rows]), count) : [],
  };
  const targets = b.node('Gather', ['targets', rows]);
  const byName = splitParameters(b, model, parameters);
  const pass = trainingPass(b, shape, batch, byName, dropoutMasks(b, shape, options, iteration));
  const ofClass = classWeights && b.node('Gather', [b.reals(classWeights, [shape.outputs, 1]), targets]);
  const ofRow = options.hasRowWeights ? b.node('Gather', ['row_weights', rows]) : undefined;
  // The weight of a row multiplies its loss, and so also its gradient.
  const weighted = (value: string): string =>
    [ofClass, ofRow].reduce(
      (product: string, by) => (by === undefined ? product : b.node('Mul', [product, by])),
      value,
    );
  const { mean, gradient: atLogits } =
    loss === 'CROSS_ENTROPY'
      ? crossEntropy(b, pass.logits, targets, shape.outputs, weighted)
      : squaredError(b, pass.logits, targets, weighted);
  const gradients = backwardPass(b, shape, batch, byName, pass, atLogits);

  const weights = shape.batchNormalization
    ? b.multi('Split', [model, b.ints(sizeOf(trained), size - sizeOf(trained))], 2, { axis: { int: 0 } })[0]!
    : model;
  let gradient =
    trained.length === 1
      ? b.node('Reshape', [gradients.get(trained[0]!.name)!, b.ints(-1)])
      : flatten(b, trained, gradients);
  if (l2 > 0) gradient = b.node('Add', [gradient, b.node('Mul', [weights, weightMask(b, trained, l2)])]);
  if (options.gradientClipNorm !== undefined) gradient = clipped(b, gradient, options.gradientClipNorm);
  const numberCount = stepNumberCount(optimizer);
  const row = b.node('Gather', ['schedule', iteration]);
  const ones = new Array<number>(numberCount).fill(1);
  const numbers =
    numberCount === 1 ? [row] : b.multi('Split', [row, b.ints(...ones)], numberCount, { axis: { int: 0 } });
  const decaying = (): string => weightMask(b, trained, 1);
  const next = stepOf(b, optimizer, { weights, gradient, carried, numbers, decaying });
  const nextModel = shape.batchNormalization
    ? b.node('Concat', [next.weights, ...pass.statistics], { axis: { int: 0 } })
    : next.weights;

  b.output('step_condition_out', condition, 'bool', []);
  b.output('step_weights_out', nextModel, precision, [size]);
  names.forEach((name, i) => b.output(`step_${name}_out`, next.carried[i]!, precision, [sizeOf(trained)]));
  b.output('step_loss', mean, precision, []);
  return b.graph('step');
}

function dropoutMasks(
  b: RealBuilder,
  { hiddenLayers }: NetworkShape,
  { keptFactor }: TrainGraphOptions,
  iteration: string,
): string[] | undefined {
  if (keptFactor === undefined) return undefined;
  const kept = b.toReal(b.node('Gather', ['dropout', iteration]));
  const masks = b.node('Mul', [kept, b.real(keptFactor)]);
  return hiddenLayers.length === 1
    ? [masks]
    : b.multi('Split', [masks, b.ints(...hiddenLayers)], hiddenLayers.length, { axis: { int: 1 } });
}

interface LossAndGradient {
  mean: string;
  /** The gradient of the mean loss with respect to the logits. */
  gradient: string;
}

function crossEntropy(
  b: RealBuilder,
  logits: string,
  targets: string,
  classes: number,
  weighted: (value: string) => string,
): LossAndGradient {
  const identity = Float32Array.from({ length: classes * classes }, (_, i) => (i % (classes + 1) === 0 ? 1 : 0));
  const truth = b.node('Gather', [b.reals(identity, [classes, classes]), targets]);
  const logProbabilities = b.node('LogSoftmax', [logits], { axis: { int: -1 } });
  const error = b.node('Sub', [b.node('Exp', [logProbabilities]), truth]);
  const likelihood = b.node('ReduceSum', [weighted(b.node('Mul', [truth, logProbabilities]))], {
    keepdims: { int: 0 },
  });
  return {
    mean: b.node('Neg', [b.node('Mul', [likelihood, INVERSE_BATCH])]),
    gradient: b.node('Mul', [weighted(error), INVERSE_BATCH]),
  };
}

/**
 * The gradient is that of half the squared error, so that `l2` has the same meaning as in ridge regression's ‖y − Xw‖²
 * + α‖w‖², α = l2 · rows.
 */
function squaredError(
  b: RealBuilder,
  logits: string,
  targets: string,
  weighted: (value: string) => string,
): LossAndGradient {
  const error = b.node('Sub', [logits, targets]);
  const slope = weighted(error);
  const sum = b.node('ReduceSum', [b.node('Mul', [slope, error])], { keepdims: { int: 0 } });
  return { mean: b.node('Mul', [sum, INVERSE_BATCH]), gradient: b.node('Mul', [slope, INVERSE_BATCH]) };
}

function flatten(b: RealBuilder, parameters: readonly Parameter[], gradients: ReadonlyMap<string, string>): string {
  const pieces = parameters.map(({ name, dims }) => {
    const gradient = gradients.get(name)!;
    return dims.length === 1 ? gradient : b.node('Reshape', [gradient, b.ints(-1)]);
  });
  return b.node('Concat', pieces, { axis: { int: 0 } });
}

/** `value` at each weight, 0 at the other parameters. */
function weightMask(b: RealBuilder, parameters: readonly Parameter[], value: number): string {
  const mask = new Float64Array(sizeOf(parameters));
  let offset = 0;
  for (const { kind, size } of parameters) {
    if (kind === 'WEIGHT') mask.fill(value, offset, offset + size);
    offset += size;
  }
  return b.reals(mask);
}

/** The gradient, not longer than `norm`. */
function clipped(b: RealBuilder, gradient: string, norm: number): string {
  const squares = b.node('ReduceSum', [b.node('Mul', [gradient, gradient])], { keepdims: { int: 0 } });
  const length = b.node('Add', [b.node('Sqrt', [squares]), b.real(CLIP_EPSILON)]);
  const factor = b.node('Min', [b.node('Div', [b.real(norm), length]), b.real(1)]);
  return b.node('Mul', [gradient, factor]);
}
