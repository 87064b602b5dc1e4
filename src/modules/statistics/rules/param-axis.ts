/** How the values of a parameter in many runs are shown: as numbers on a linear or a logarithmic scale, or as texts. */
export type AxisKind = 'LINEAR' | 'LOG' | 'CATEGORICAL';

/** LINEAR and LOG: a number per run, or null; CATEGORICAL: an index into `categories`. */
export interface ParamAxis {
  kind: AxisKind;
  values: (number | null)[];
  /** The least and the greatest number; 0 and 0 for categories. */
  low: number;
  high: number;
  categories: string[];
}

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
/** Texts that clients write for "no value" among numbers, such as scikit-learn's max_depth. */
const NO_VALUE = new Set(['none', 'null', '']);
/** If the greatest number is less than this many times the least one, a linear scale shows them as well. */
const LOG_RATIO = 100;

/**
 * Reads a parameter's texts. They are numbers when each text is a number; None, null and empty texts count as absent.
 * Numbers are LOG when all are positive, the greatest is at least 100 times the least, and the median is nearer to the
 * middle of the range on a logarithmic scale than on a linear one.
 */
export function paramAxis(texts: readonly (string | null)[]): ParamAxis {
  const numbers = texts.map((text) =>
    text === null || NO_VALUE.has(text.trim().toLowerCase()) ? null : toNumber(text),
  );
  const known = numbers.filter((value): value is number => value !== null);
  if (known.length > 0 && known.every(Number.isFinite)) return numberAxis(numbers);
  const categories = [...new Set(texts.filter((text) => text !== null))].sort(inCodePoints);
  const codes = new Map(categories.map((category, code) => [category, code]));
  return {
    kind: 'CATEGORICAL',
    values: texts.map((text) => (text === null ? null : codes.get(text)!)),
    low: 0,
    high: 0,
    categories,
  };
}

/** The axis of numbers. Numbers that are not finite count as absent. */
export function numberAxis(numbers: readonly (number | null)[]): ParamAxis {
  const values = numbers.map((value) => (value !== null && Number.isFinite(value) ? value : null));
  const known = values.filter((value): value is number => value !== null).sort((a, b) => a - b);
  const low = known[0] ?? 0;
  const high = known.at(-1) ?? 0;
  return { kind: isLog(known, low, high) ? 'LOG' : 'LINEAR', values, low, high, categories: [] };
}

/** Positions of the values on the axis, from 0 to 1; null for runs without a value. */
export function axisPositions({ kind, values, low, high, categories }: ParamAxis): (number | null)[] {
  const scale = kind === 'LOG' ? Math.log : (value: number) => value;
  const [from, to] = kind === 'CATEGORICAL' ? [0, categories.length - 1] : [scale(low), scale(high)];
  const unit = unitFor(from, to);
  return values.map((value) => {
    if (value === null) return null;
    if (!(to > from)) return 0.5;
    const place = (scale(value) * unit - from * unit) / (to * unit - from * unit);
    return Math.min(1, Math.max(0, place));
  });
}

/**
 * A power of two that scales huge and tiny numbers so that their differences and squares are exact enough; 1 for all
 * other numbers.
 */
export function unitFor(low: number, high: number): number {
  const greatest = Math.max(Math.abs(low), Math.abs(high));
  if (greatest > HUGE) return 2 ** -600;
  return greatest > 0 && greatest < TINY ? 2 ** 600 : 1;
}

/** Beyond it, squares reach the limits of 64-bit numbers. */
const HUGE = 1e150;
const TINY = 1e-140;

export function inCodePoints(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function toNumber(text: string): number {
  return NUMBER.test(text.trim()) ? Number(text) : NaN;
}

function isLog(known: readonly number[], low: number, high: number): boolean {
  if (known.length === 0 || low <= 0 || high / low < LOG_RATIO) return false;
  const median = known[known.length >> 1]!;
  const onLine = (median - low) / (high - low);
  // Differences of logarithms, because a ratio of numbers can overflow.
  const onLog = (Math.log(median) - Math.log(low)) / (Math.log(high) - Math.log(low));
  return Math.abs(onLog - 0.5) < Math.abs(onLine - 0.5);
}
