import type { ParameterSpace, ParameterValue } from './space.js';

/**
 * One parameter as an interval from 0 to 1. Numbers lie on it by their (logarithmic) scale; each of `size` equal or
 * logarithmic steps has the part of the interval that is rounded to it. A category is its index.
 */
export interface Axis {
  name: string;
  isCategorical: boolean;
  /** How many values it has; Infinity for a continuous one. */
  size: number;
  /** The value at a place from 0 to 1; for categories, at an index. */
  valueAt(place: number): ParameterValue;
  /** The inverse of `valueAt`. A value outside the range is moved to its end; −1 for an unknown category. */
  placeOf(value: ParameterValue): number;
  /** The place of the i-th value of an axis with few values. */
  placeAt(i: number): number;
  /** The part of the interval that is rounded to the value at `place`; null for continuous numbers and categories. */
  cellAt(place: number): { from: number; to: number } | null;
}

export function axisOf(parameter: ParameterSpace): Axis {
  if (parameter.kind === 'CATEGORICAL') return categoricalAxis(parameter.name, parameter.choices);
  const { name, kind, low, high, log = false } = parameter;
  const step = parameter.step ?? (kind === 'INTEGER' ? 1 : 0);
  return step > 0 ? steppedAxis(name, low, high, log, step) : continuousAxis(name, low, high, log);
}

function categoricalAxis(name: string, choices: readonly ParameterValue[]): Axis {
  const indices = new Map(choices.map((choice, i) => [choice, i]));
  return {
    name,
    isCategorical: true,
    size: choices.length,
    valueAt: (index) => choices[index]!,
    placeOf: (value) => indices.get(value) ?? -1,
    placeAt: (i) => i,
    cellAt: () => null,
  };
}

function continuousAxis(name: string, low: number, high: number, log: boolean): Axis {
  const [scale, unscale] = log ? [Math.log, Math.exp] : [same, same];
  const from = scale(low);
  const width = scale(high) - from;
  return {
    name,
    isCategorical: false,
    size: width > 0 ? Infinity : 1,
    valueAt: (place) => clamp(unscale(from + place * width), low, high),
    placeOf: (value) => (width > 0 ? clamp((scale(Number(value)) - from) / width, 0, 1) : 0.5),
    placeAt: () => 0.5,
    cellAt: () => null,
  };
}

/** The interval reaches half a step beyond both ends, so that they are as likely as the values between them. */
function steppedAxis(name: string, low: number, high: number, log: boolean, step: number): Axis {
  const scale = log ? Math.log : same;
  const unscale = log ? Math.exp : same;
  const last = Math.floor((high - low) / step + 1e-9);
  const from = scale(low - step / 2);
  const width = scale(low + (last + 0.5) * step) - from;
  const valueOf = (index: number): number => rounded(low + index * step);
  const indexAt = (place: number): number => clamp(Math.round((unscale(from + place * width) - low) / step), 0, last);
  const placeFor = (number: number): number => clamp((scale(number) - from) / width, 0, 1);
  return {
    name,
    isCategorical: false,
    size: last + 1,
    valueAt: (place) => valueOf(indexAt(place)),
    placeOf: (value) => placeFor(clamp(Number(value), low, valueOf(last))),
    placeAt: (i) => placeFor(valueOf(i)),
    cellAt: (place) => {
      const value = valueOf(indexAt(place));
      return { from: placeFor(value - step / 2), to: placeFor(value + step / 2) };
    },
  };
}

const same = (value: number): number => value;

export function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}

/** Takes away what is left of decimal fractions in binary, such as 0.30000000000000004. */
function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(14));
}
