/** Rules of operators that move elements, and of those that compute with shapes. */
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

/** "To the end", as exporters write it. */
const TO_THE_END = 2 ** 31 - 1;
const MAX_ELEMENTS = 64;

const transpose: Rule = (op) => {
  const x = op.input(0);
  const rank = rankOf(x);
  const order = op.ints('perm') ?? Array.from({ length: rank }, (_, at) => rank - 1 - at);
  const dims = order.map((from) => x.dims![from] ?? null);
  return isRows(x) ? rows(dims, order.indexOf(x.axis)) : fixed(dims);
};

/** The lengths that the shape asks for, with its zeros replaced. */
function target(op: Operator, x: Value): Element[] {
  const shape = op.ints('shape') ?? op.input(1).elements ?? fail('takes a shape that the file does not say');
  if (op.int('allowzero', 0) !== 0) return [...shape];
  return shape.map((size, at) => (size === 0 ? (isRows(x) && at === x.axis ? 'ROWS' : (x.dims?.[at] ?? null)) : size));
}

const reshape: Rule = (op) => {
  const x = op.input(0);
  if (!isRows(x)) {
    const known = (op.ints('shape') ?? op.input(1).elements)?.length === 1;
    if (x.elements && known) return { ...fixed([x.elements.length]), elements: x.elements };
    if (op.inputs[1] && countsRows(op.inputs[1])) fail('spreads a fixed value over the rows');
    const wanted = target(op, x);
    return fixed(wanted.map((size) => (typeof size === 'number' && size >= 0 ? size : null)));
  }
  const wanted = target(op, x);
  const inner = x.dims.filter((_, at) => at !== x.axis);
  const perRow = product(inner);
  const place = wanted.indexOf('ROWS');
  const free = wanted.indexOf(-1);
  const at = place >= 0 ? place : free;
  const rest = wanted.filter((_, index) => index !== at);
  if (at < 0) fail('asks for a fixed number of rows');
  if (rest.includes('ROWS')) fail('asks for the number of rows twice');
  if (place < 0 && (perRow === null || product(rest) !== perRow)) fail('may cut rows apart or join them');
  // The elements keep their order, so the dimensions before the rows must not change.
  const before = product(x.dims.slice(0, x.axis));
  if (before === null || product(wanted.slice(0, at)) !== before) fail('moves the rows');
  const known = product(rest.filter((size) => size !== -1));
  const dims = wanted.map((size): Size => {
    if (size === -1) return perRow !== null && known ? perRow / known : null;
    return size === 'ROWS' ? null : size;
  });
  return rows(dims, at);
};

const flatten: Rule = (op) => {
  const x = op.input(0);
  const rank = rankOf(x);
  const wanted = op.int('axis', 1);
  const axis = wanted < 0 ? wanted + rank : wanted;
  const dims = [product(x.dims!.slice(0, axis)), product(x.dims!.slice(axis))];
  if (!isRows(x)) return fixed(dims);
  if (x.axis !== 0 || axis !== 1) fail('joins the rows with another axis');
  if (x.padding !== undefined && product(x.dims.slice(1, -1)) !== 1) fail('joins texts with their padding');
  return { ...rows(dims, 0), padding: x.padding };
};

const squeeze: Rule = (op) => {
  const x = op.input(0);
  const rank = rankOf(x);
  const axes = op.intsOrInput('axes', 1)?.map((axis) => wrapAxis(axis, rank));
  if (!axes) {
    if (isRows(x)) fail('drops every axis of length 1, that of a single row too');
    if (x.dims!.includes(null)) return fixed();
    return fixed(
      x.dims!.filter((size) => size !== 1),
      x.elements,
    );
  }
  const dims = x.dims!.filter((_, at) => !axes.includes(at));
  if (!isRows(x)) return fixed(dims, x.elements);
  const { axis } = x;
  if (axes.includes(axis)) fail('drops the axis of the rows');
  return rows(dims, axis - axes.filter((own) => own < axis).length);
};

const unsqueeze: Rule = (op) => {
  const x = op.input(0);
  const given = op.intsOrInput('axes', 1) ?? fail('does not say its axes');
  const rank = rankOf(x) + given.length;
  const axes = new Set(given.map((axis) => wrapAxis(axis, rank)));
  if (axes.size !== given.length) fail('names an axis twice');
  const old = Array.from({ length: rank }, (_, at) => at).filter((at) => !axes.has(at));
  const dims = Array.from({ length: rank }, (_, at): Size => (axes.has(at) ? 1 : x.dims![old.indexOf(at)]!));
  return isRows(x) ? rows(dims, old[x.axis]!) : fixed(dims, x.elements);
};

const concat: Rule = (op) => {
  const parts = op.present;
  const first = parts.find(isRows);
  if (!first) {
    const elements = parts.every((part) => part.elements && part.dims?.length === 1)
      ? parts.flatMap((part) => part.elements!)
      : undefined;
    if (elements && elements.length <= MAX_ELEMENTS) return fixed([elements.length], elements);
    if (parts.some(countsRows)) fail('calculates with the number of rows');
    return fixed(parts[0]?.dims?.map(() => null) ?? null);
  }
  const axis = op.axisOf(first, 1);
  const size = parts.reduce<Size>((sum, part) => {
    const own = part.dims?.[axis] ?? null;
    return sum === null || own === null ? null : sum + own;
  }, 0);
  for (const part of parts) {
    if (!isRows(part)) fail('puts a fixed value beside the rows');
    if (part.axis !== first.axis || part.dims.length !== first.dims.length) fail('puts the rows beside another axis');
  }
  return along(first, axis, size, 'puts requests behind each other along');
};

const split: Rule = (op) => {
  const x = op.input(0);
  const axis = op.axisOf(x, 0);
  const sizes = op.ints('split') ?? (op.inputs[1] ? numbersOf(op.inputs[1], 'lengths') : undefined);
  return Array.from({ length: op.outputCount }, (_, part) => along(x, axis, sizes?.[part] ?? null, 'splits'));
};

/** An index as slices use it: from the end when negative, never beyond an end. */
const clamp = (index: number, size: number): number => Math.min(size, Math.max(0, index < 0 ? index + size : index));

const slice: Rule = (op) => {
  const x = op.input(0);
  const rank = rankOf(x);
  const starts = op.intsOrInput('starts', 1) ?? fail('does not say where it starts');
  const ends = op.ints('ends') ?? requireFixed(op.inputs[2], 'ends')?.elements ?? fail('does not say where it ends');
  const axes = (op.intsOrInput('axes', 3) ?? starts.map((_, at) => at)).map((axis) => wrapAxis(axis, rank));
  const steps = numbersOf(op.inputs[4], 'steps') ?? starts.map(() => 1);
  if (x.elements && rank === 1 && typeof ends[0] === 'number' && steps[0] === 1) {
    const cut = x.elements.slice(starts[0], ends[0]);
    return fixed([cut.length], cut);
  }
  if (countsRows(x)) fail('calculates with the number of rows');
  const dims = [...x.dims!];
  axes.forEach((axis, index) => {
    const end = ends[index];
    const whole = starts[index] === 0 && typeof end === 'number' && end >= TO_THE_END && steps[index] === 1;
    if (whole) return;
    if (isRows(x) && axis === x.axis) fail('cuts rows off');
    const size = dims[axis]!;
    const from = starts[index]!;
    dims[axis] =
      size !== null && steps[index] === 1 && typeof end === 'number'
        ? Math.max(0, clamp(end, size) - clamp(from, size))
        : null;
  });
  return reshaped(x, dims);
};

const gather: Rule = (op) => {
  const data = op.input(0);
  const indices = op.input(1);
  if (countsRows(indices)) fail('calculates with the number of rows');
  if (data.elements && data.dims?.length === 1 && indices.elements && !isRows(indices)) {
    const { elements } = data;
    const chosen = indices.elements.map((index): Element =>
      typeof index === 'number' ? (elements.at(index) ?? null) : null,
    );
    return fixed(indices.dims, chosen);
  }
  if (countsRows(data)) fail('calculates with the number of rows');
  if (!isRows(data) && !isRows(indices) && (data.dims === null || indices.dims === null)) return fixed();
  const axis = op.axisOf(data, 0);
  const depth = rankOf(indices);
  const dims = [...data.dims!.slice(0, axis), ...indices.dims!, ...data.dims!.slice(axis + 1)];
  if (isRows(data) && isRows(indices)) fail('looks rows up by rows');
  if (isRows(indices)) return rows(dims, axis + indices.axis);
  if (!isRows(data)) return fixed(dims);
  if (data.axis === axis) fail('picks rows');
  return rows(dims, data.axis < axis ? data.axis : data.axis + depth - 1);
};

const gatherElements: Rule = (op) => {
  const data = op.input(0);
  const indices = op.input(1);
  if (!isRows(data) || !isRows(indices))
    return isRows(data) || isRows(indices) ? fail('picks by a fixed list') : fixed(indices.dims);
  if (data.axis !== indices.axis || data.dims.length !== indices.dims.length) fail('pairs the rows with another axis');
  return along(indices, op.axisOf(data, 0), indices.dims[op.axisOf(data, 0)]!, 'picks');
};

const pad: Rule = (op) => {
  const x = op.input(0);
  const rank = rankOf(x);
  requireFixed(op.inputs[2], 'filling value');
  const pads = op.intsOrInput('pads', 1) ?? fail('does not say how much');
  const axes = numbersOf(op.inputs[3], 'axes')?.map((axis) => wrapAxis(axis, rank)) ?? x.dims!.map((_, at) => at);
  const dims = [...x.dims!];
  axes.forEach((axis, index) => {
    const added = (pads[index] ?? NaN) + (pads[index + axes.length] ?? NaN);
    if (isRows(x) && axis === x.axis && (pads[index] !== 0 || pads[index + axes.length] !== 0)) fail('adds rows');
    dims[axis] = dims[axis] === null || Number.isNaN(added) ? null : dims[axis]! + added;
  });
  return reshaped(x, dims);
};

const tile: Rule = (op) => {
  const x = op.input(0);
  const repeats = numbersOf(op.inputs[1], 'repeats') ?? fail('does not say how often');
  if (isRows(x) && repeats[x.axis] !== 1) fail('repeats rows');
  return reshaped(x, x.dims && x.dims.map((size, at) => (size === null ? null : size * (repeats[at] ?? 1))));
};

const expand: Rule = (op) => {
  const x = op.input(0);
  const shape = op.input(1).elements ?? fail('takes a shape that the file does not say');
  const sizes = shape.map((size): Size => (size === 'ROWS' ? null : size));
  const places = shape.flatMap((size, at) => (size === 'ROWS' ? [at] : []));
  const goal = places.length > 0 ? rows(sizes, places[0]!) : fixed(sizes);
  if (places.length > 1) fail('repeats rows by their number');
  // Broadcasts against a value that has the requested shape.
  return broadcast([x, goal]);
};

const shape: Rule = (op) => {
  const x = op.input(0);
  if (x.dims === null) return fixed([null]);
  const whole = x.dims.map((size, at): Element => (at === x.axis ? 'ROWS' : size));
  const part = whole.slice(op.int('start', 0), op.attribute('end')?.int);
  return fixed([part.length], part);
};

const constantOfShape: Rule = (op) => {
  const wanted = op.input(0);
  const { elements } = wanted;
  if (!elements) return isRows(wanted) ? fail('takes a shape from the rows') : fixed();
  const places = elements.flatMap((size, at) => (size === 'ROWS' ? [at] : []));
  if (places.length > 1) fail('uses the number of rows twice');
  const dims = elements.map((size): Size => (size === 'ROWS' ? null : size));
  if (places.length === 1) return rows(dims, places[0]!);
  const fill = op.attribute('value')?.tensor;
  const value = fill ? fill.elements?.[0] : 0;
  const size = product(dims);
  if (value === undefined || size === null || size > MAX_ELEMENTS || dims.length !== 1) return fixed(dims);
  return fixed(
    dims,
    Array.from({ length: size }, () => value),
  );
};

const constant: Rule = (op) => {
  const tensor = op.attribute('value')?.tensor;
  if (tensor) return fixed(tensor.dims, tensor.elements ?? undefined);
  const single = op.attribute('value_int')?.int ?? op.attribute('value_float')?.float;
  if (single !== undefined) return fixed([], [single]);
  const list = op.attribute('value_ints')?.ints;
  if (list) return fixed([list.length], list);
  return op.attribute('value_string') ? fixed([]) : fixed();
};

const trilu: Rule = (op) => {
  const x = op.input(0);
  requireFixed(op.inputs[1], 'diagonal');
  if (isRows(x) && x.axis >= x.dims.length - 2) fail('treats rows by their place');
  return reshaped(x, x.dims);
};

export const SHAPE_RULES: Record<string, Rule> = {
  Transpose: transpose,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  Pad: pad,
  Tile: tile,
  Expand: expand,
  Shape: shape,
  ConstantOfShape: constantOfShape,
  Constant: constant,
  Trilu: trilu,
};
