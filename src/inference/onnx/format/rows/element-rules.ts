/** Rules of operators that work element by element, along an axis, or over a window. */
import { along, type Operator, reshaped, type Rule } from './operator.js';
import {
  broadcast,
  countsRows,
  type Element,
  fail,
  fixed,
  isRows,
  numbersOf,
  product,
  rankOf,
  requireFixed,
  rows,
  type Size,
  type Value,
  wrapAxis,
} from './value.js';

/** Each element of the first input separately. */
export const unary: Rule = (op) => reshaped(op.input(0), op.input(0).dims);

/** Element by element, with broadcasting over all inputs. */
const elementwise: Rule = (op) => broadcast(op.present);

/** Computations with shapes, which may leave the number of rows unchanged. Undefined means unknown. */
type Fold = (...elements: Element[]) => Element | undefined;

const isNumber = (element: Element | undefined): element is number => typeof element === 'number';

const numeric =
  (calculate: (a: number, b: number) => number, neutral: number): Fold =>
  (a, b) => {
    if (isNumber(a) && isNumber(b)) return calculate(a, b);
    return b === neutral ? a : undefined;
  };

const FOLDS: Record<string, Fold> = {
  Add: (a, b) => (a === 0 ? b : numeric((x, y) => x + y, 0)(a!, b!)),
  Sub: numeric((x, y) => x - y, 0),
  Mul: (a, b) => (a === 1 ? b : numeric((x, y) => x * y, 1)(a!, b!)),
  // Whole numbers only: others are rounded or not, depending on their type.
  Div: (a, b) => (isNumber(a) && isNumber(b) && Number.isInteger(a / b) ? a / b : b === 1 ? a : undefined),
  Equal: (a, b) => {
    if (isNumber(a) && isNumber(b)) return Number(a === b);
    // A number of rows is never negative.
    return (a === 'ROWS' && isNumber(b) && b < 0) || (b === 'ROWS' && isNumber(a) && a < 0) ? 0 : undefined;
  },
  Where: (condition, yes, no) => (isNumber(condition) ? (condition ? yes : no) : undefined),
};

const folding =
  (fold: Fold): Rule =>
  (op) => {
    const lists = op.present.map(({ elements }) => elements);
    if (lists.some((list) => !list)) return broadcast(op.present);
    const length = Math.max(...lists.map((list) => list!.length));
    const folded = Array.from({ length }, (_, at) =>
      fold(...lists.map((list) => list![list!.length === 1 ? 0 : at] ?? null)),
    );
    if (folded.includes(undefined)) return broadcast(op.present);
    return fixed(broadcast(op.present.map(({ dims }) => fixed(dims))).dims, folded as Element[]);
  };

/** The types float, int32, int64 and double. */
const CASTS_THAT_KEEP = new Set([1, 6, 7, 11]);

const cast: Rule = (op) => {
  const x = op.input(0);
  const keeps =
    x.elements?.every((element) => !isNumber(element) || Number.isInteger(element)) &&
    CASTS_THAT_KEEP.has(op.int('to', 0));
  return keeps ? x : unary(op);
};

const reduce: Rule = (op) => {
  const x = op.input(0);
  const rank = rankOf(x);
  const given = op.intsOrInput('axes', 1);
  if (!given?.length && op.int('noop_with_empty_axes', 0) !== 0) return unary(op);
  const axes = given?.length ? given.map((axis) => wrapAxis(axis, rank)) : x.dims!.map((_, at) => at);
  return without(x, axes, op.int('keepdims', 1) !== 0, 'takes one value out of all');
};

function without(x: Value, axes: number[], keep: boolean, verb: string): Value {
  if (isRows(x) && axes.includes(x.axis)) fail(`${verb} rows`);
  const dims = keep
    ? x.dims!.map((size, at) => (axes.includes(at) ? 1 : size))
    : x.dims!.filter((_, at) => !axes.includes(at));
  if (!isRows(x)) return fixed(dims);
  return rows(dims, keep ? x.axis : x.axis - axes.filter((axis) => axis < x.axis).length);
}

const argBest: Rule = (op) => {
  const x = op.input(0);
  return without(x, [op.axisOf(x, 0)], op.int('keepdims', 1) !== 0, 'takes the best of all');
};

/** Since operator set 13 over one axis; before, over all axes from one on. */
const softmax: Rule = (op) => {
  const x = op.input(0);
  const axis = op.axisOf(x, op.opset < 13 ? 1 : -1);
  if (isRows(x) && (op.opset < 13 ? axis <= x.axis : axis === x.axis)) fail('normalises over the rows');
  return unary(op);
};

const lpNormalization: Rule = (op) => along(op.input(0), op.axisOf(op.input(0), -1), null, 'normalises over');

/** Over all axes from one on; scale and bias apply to these axes. */
const layerNormalization: Rule = (op) => {
  const x = op.input(0);
  const axis = op.axisOf(x, -1);
  if (isRows(x) && axis <= x.axis) fail('normalises over the rows');
  const [, ...weights] = op.present;
  weights.forEach((weight) => requireFixed(weight, 'weights'));
  const normal = broadcast(op.present);
  const statistics = reshaped(
    x,
    x.dims!.map((size, at) => (at < axis ? size : 1)),
  );
  return [normal, statistics, statistics];
};

const meanVariance: Rule = (op) => {
  const axes = (op.ints('axes') ?? [0, 2, 3]).map((axis) => wrapAxis(axis, rankOf(op.input(0))));
  without(op.input(0), axes, true, 'normalises over all');
  return unary(op);
};

const topK: Rule = (op) => {
  const x = op.input(0);
  const count = op.attribute('k')?.int ?? requireFixed(op.input(1), 'number of values')?.elements?.[0];
  return along(x, op.axisOf(x, -1), isNumber(count) ? count : null, 'ranks');
};

const cumSum: Rule = (op) => {
  const [axis] = numbersOf(op.input(1), 'axis')!;
  return along(op.input(0), wrapAxis(axis!, rankOf(op.input(0))), null, 'adds up along');
};

const oneHot: Rule = (op) => {
  const x = op.input(0);
  const depth = requireFixed(op.input(1), 'depth')?.elements?.[0];
  requireFixed(op.input(2), 'values');
  const rank = rankOf(x) + 1;
  const at = wrapAxis(op.int('axis', -1), rank);
  const dims = [...x.dims!.slice(0, at), isNumber(depth) ? depth : null, ...x.dims!.slice(at)];
  return isRows(x) ? rows(dims, at <= x.axis ? x.axis + 1 : x.axis) : fixed(dims);
};

const dropout: Rule = (op) => {
  const training = op.inputs[2];
  if (training && numbersOf(training, 'mode')?.[0] !== 0) fail('draws at random');
  return unary(op);
};

/** The rows come before the channels, as every operator over channels or windows requires. */
export function rowsFirst(op: Operator, leastRank: number): Value {
  const x = op.input(0);
  if (isRows(x) && (x.axis !== 0 || x.dims.length < leastRank)) fail('takes the axis of the rows for another');
  return x;
}

export function requireFixedRest(op: Operator): void {
  op.inputs.slice(1).forEach((value) => requireFixed(value, 'weights'));
}

const batchNormalization: Rule = (op) => {
  requireFixedRest(op);
  if (op.int('training_mode', 0) !== 0 || op.outputCount > 1) fail('takes its mean from the batch');
  return reshaped(rowsFirst(op, 2), op.input(0).dims);
};

/** For each channel of each row. */
const perChannel: Rule = (op) => {
  requireFixedRest(op);
  return reshaped(rowsFirst(op, 3), op.input(0).dims);
};

/** The lengths after a window has moved over them; null when they are not easy to compute. */
function windowed(op: Operator, sizes: readonly Size[], kernel: readonly Size[]): Size[] {
  if (op.text('auto_pad', 'NOTSET') !== 'NOTSET') return sizes.map(() => null);
  const strides = op.ints('strides');
  const dilations = op.ints('dilations');
  const pads = op.ints('pads');
  return sizes.map((size, at) => {
    const width = kernel[at] ?? null;
    if (size === null || width === null) return null;
    const padded = size + (pads?.[at] ?? 0) + (pads?.[at + sizes.length] ?? 0);
    const steps = (padded - (dilations?.[at] ?? 1) * (width - 1) - 1) / (strides?.[at] ?? 1);
    return op.int('ceil_mode', 0) !== 0 && !Number.isInteger(steps) ? null : Math.floor(steps) + 1;
  });
}

const convolution =
  (weightsAt: number): Rule =>
  (op) => {
    requireFixedRest(op);
    const x = rowsFirst(op, 3);
    const weights = op.input(weightsAt).dims;
    const sizes = x.dims!.slice(2);
    return reshaped(x, [
      x.dims![0]!,
      weights?.[0] ?? null,
      ...windowed(op, sizes, op.ints('kernel_shape') ?? weights?.slice(2) ?? []),
    ]);
  };

const convolutionTranspose: Rule = (op) => {
  requireFixedRest(op);
  const x = rowsFirst(op, 3);
  return reshaped(
    x,
    x.dims!.map((size, at) => (at === 0 ? size : null)),
  );
};

const pool: Rule = (op) => {
  const x = rowsFirst(op, 3);
  // The indices of the largest values count over the whole batch.
  if (op.outputCount > 1) fail('numbers the places of all rows together');
  return reshaped(x, [...x.dims!.slice(0, 2), ...windowed(op, x.dims!.slice(2), op.ints('kernel_shape') ?? [])]);
};

const globalPool: Rule = (op) => {
  const x = rowsFirst(op, 3);
  return reshaped(
    x,
    x.dims!.map((size, at) => (at < 2 ? size : 1)),
  );
};

const resize: Rule = (op) => {
  const x = op.input(0);
  const scales = op.inputs[op.opset < 11 ? 1 : 2];
  if (isRows(x) && (op.attribute('axes') || requireFixed(scales, 'scales')?.elements?.[x.axis] !== 1))
    fail('may scale the rows');
  if (op.text('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize') fail('crops');
  return reshaped(
    x,
    x.dims!.map((_, at) => (at === x.axis ? 1 : null)),
  );
};

/** Moves channels to places within a row, or back. */
const depthAndSpace: Rule = (op) => {
  const x = rowsFirst(op, 4);
  return reshaped(
    x,
    x.dims!.map(() => null),
  );
};

function contraction(a: Value, b: Value): Value {
  if (countsRows(a) || countsRows(b)) fail('calculates with the number of rows');
  if (!isRows(a) && !isRows(b) && (a.dims === null || b.dims === null)) return fixed();
  const ranks = [rankOf(a), rankOf(b)] as const;
  // A vector counts as a matrix with one row or one column; this dimension is removed again.
  const left: Value = ranks[0] === 1 ? { dims: [1, a.dims![0]!], axis: a.axis === null ? null : 1 } : a;
  const right: Value = ranks[1] === 1 ? { dims: [b.dims![0]!, 1], axis: b.axis } : b;
  const [l, r] = [left.dims!.length, right.dims!.length];
  if (left.axis === l - 1 || right.axis === r - 2) fail('sums over the rows');
  const size: Size[] = [left.dims![l - 2]!, right.dims![r - 1]!];
  let result: Value;
  if (left.axis === l - 2 || right.axis === r - 1) {
    if (left.axis !== null && right.axis !== null) fail('multiplies rows with rows');
    const outer = broadcast([fixed(left.dims!.slice(0, -2)), fixed(right.dims!.slice(0, -2))]).dims!;
    result = rows([...outer, ...size], outer.length + (left.axis === null ? 1 : 0));
  } else {
    // The rows are among the broadcast axes.
    const outer = broadcast([left, right].map((value) => ({ dims: value.dims!.slice(0, -2), axis: value.axis })));
    result = { dims: [...outer.dims!, ...size], axis: outer.axis };
  }
  const dropped = [
    ...(ranks[0] === 1 ? [result.dims!.length - 2] : []),
    ...(ranks[1] === 1 ? [result.dims!.length - 1] : []),
  ];
  return dropped.length > 0 ? without(result, dropped, false, 'drops') : result;
}

const matMul: Rule = (op) => contraction(op.input(0), op.input(1));

const turned = (value: Value): Value =>
  value.dims?.length === 2
    ? { dims: [value.dims[1]!, value.dims[0]!], axis: value.axis === null ? null : 1 - value.axis }
    : fail('turns what is no matrix');

const gemm: Rule = (op) => {
  const [a, b] = [op.input(0), op.input(1)];
  const result = contraction(op.int('transA', 0) !== 0 ? turned(a) : a, op.int('transB', 0) !== 0 ? turned(b) : b);
  const added = op.inputs[2];
  return added ? broadcast([result, added]) : result;
};

/** One zero point and one scale for all: otherwise a row's own could be mistaken for a channel's. */
function requireSingles(op: Operator, places: readonly number[]): void {
  for (const place of places) {
    const value = requireFixed(op.inputs[place], 'scale or zero point');
    if (value && (value.dims === null || product(value.dims) !== 1))
      fail('has a scale for each of several rows or columns');
  }
}

const matMulInteger: Rule = (op) => {
  if (isRows(op.input(1))) fail('multiplies by the rows');
  requireSingles(op, [2]);
  requireFixed(op.inputs[3], 'zero point');
  return contraction(op.input(0), op.input(1));
};

const qLinearMatMul: Rule = (op) => {
  if (isRows(op.input(3))) fail('multiplies by the rows');
  requireSingles(op, [1, 2, 6, 7]);
  [4, 5].forEach((place) => requireFixed(op.inputs[place], 'scale'));
  return contraction(op.input(0), op.input(3));
};

/** Scales for each channel are along an axis. */
const quantize: Rule = (op) => {
  const x = op.input(0);
  requireFixedRest(op);
  const single = op.inputs.slice(1).every((value) => !value || (value.dims !== null && product(value.dims) === 1));
  if (isRows(x) && !single && (op.axisOf(x, 1) === x.axis || op.int('block_size', 0) !== 0))
    fail('has a scale for each of several rows');
  return unary(op);
};

/**
 * By the letters of the equation: the rows have their own letter, which all inputs with rows share and the output
 * keeps.
 */
const einsum: Rule = (op) => {
  const [terms, output] = op.text('equation', '').replaceAll(' ', '').split('->');
  const letters = terms!.split(',');
  if (output === undefined || /\./.test(terms! + output)) fail('has an equation that is not read here');
  const first = op.inputs.findIndex((value) => value && isRows(value));
  const letter = letters[first]?.[op.inputs[first]?.axis ?? 0];
  if (letter === undefined) return fixed();
  op.inputs.forEach((value, at) => {
    const own = letters[at] ?? '';
    if (
      value && isRows(value)
        ? own.indexOf(letter) !== value.axis || own.split(letter).length !== 2
        : own.includes(letter)
    ) {
      fail('pairs the rows with another axis');
    }
  });
  if (output.split(letter).length !== 2) fail('sums over the rows');
  return rows(
    Array.from(output, () => null),
    output.indexOf(letter),
  );
};

/** LSTM, GRU and RNN: the rows are the second axis of x and of every state; in the other layout, the first. */
const recurrent: Rule = (op) => {
  const [x, w, r, bias, lengths, ...states] = op.inputs;
  const batchFirst = op.int('layout', 0) !== 0;
  [w, r, bias].forEach((value) => requireFixed(value, 'weights'));
  if (!x || !isRows(x) || x.axis !== (batchFirst ? 0 : 1)) fail('steps through the rows');
  if (lengths && !(isRows(lengths) && lengths.axis === 0)) fail('takes the lengths of fixed rows');
  // The last input is a weight that cells share; the others have one state for each row.
  states.slice(0, 2).forEach((state) => {
    if (state && !(isRows(state) && state.axis === (batchFirst ? 0 : 1))) fail('begins with a state of fixed rows');
  });
  requireFixed(states[2], 'weights');
  const width = r?.dims?.[2] ?? null;
  const directions = r?.dims?.[0] ?? null;
  const whole = batchFirst
    ? rows([null, x.dims[1]!, directions, width], 0)
    : rows([x.dims[0]!, directions, null, width], 2);
  const last = batchFirst ? rows([null, directions, width], 0) : rows([directions, null, width], 1);
  return [whole, last, last];
};

const each = (names: string, rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.split(' ').map((name) => [name, rule]));

export const ELEMENT_RULES: Record<string, Rule> = {
  ...each(
    'Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid ' +
      'HardSwish IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal RegexFullMatch Relu Round Selu Shrink ' +
      'Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu CastLike',
    unary,
  ),
  ...each(
    'Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Clip Div Equal Greater GreaterOrEqual Less LessOrEqual ' +
      'Max Mean Min Mod Mul Or PRelu Pow StringConcat Sub Sum Where Xor',
    elementwise,
  ),
  ...Object.fromEntries(Object.entries(FOLDS).map(([name, fold]) => [name, folding(fold)])),
  ...each(
    'ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ' +
      'ReduceSumSquare',
    reduce,
  ),
  ...each('ArgMax ArgMin', argBest),
  ...each('Softmax LogSoftmax Hardmax', softmax),
  ...each('LayerNormalization RMSNormalization SimplifiedLayerNormalization', layerNormalization),
  ...each('InstanceNormalization GroupNormalization LRN', perChannel),
  ...each('Conv ConvInteger', convolution(1)),
  QLinearConv: convolution(3),
  ...each('MaxPool AveragePool LpPool', pool),
  ...each('GlobalAveragePool GlobalMaxPool GlobalLpPool', globalPool),
  ...each('Upsample Resize', resize),
  ...each('DepthToSpace SpaceToDepth', depthAndSpace),
  ...each('QuantizeLinear DequantizeLinear', quantize),
  ...each('LSTM GRU RNN', recurrent),
  Cast: cast,
  Identity: (op) => op.input(0),
  LpNormalization: lpNormalization,
  MeanVarianceNormalization: meanVariance,
  TopK: topK,
  CumSum: cumSum,
  OneHot: oneHot,
  Dropout: dropout,
  BatchNormalization: batchNormalization,
  ConvTranspose: convolutionTranspose,
  MatMul: matMul,
  Gemm: gemm,
  MatMulInteger: matMulInteger,
  QLinearMatMul: qLinearMatMul,
  Einsum: einsum,
};
