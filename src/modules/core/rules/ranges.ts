import { badInput } from '../../../errors.js';

/**
 * The position of a value in an input; spelled out only for a refusal, because a call can carry a hundred thousand
 * values.
 */
export interface InputPosition {
  parent: InputPosition | null;
  key: string | number;
}

export function pathOf(parent: InputPosition | null, key: string | number): string {
  if (!parent) return String(key);
  const before = pathOf(parent.parent, parent.key);
  return typeof key === 'number' ? `${before}[${key}]` : `${before}.${key}`;
}

/**
 * The range of an input: of a number its value, of a text its characters, of a list its items. The schema's description
 * and the check come from it.
 */
export interface InputRange {
  min?: number;
  /** In place of `min`: a bound that is not allowed itself. */
  above?: number;
  max?: number;
  /** In place of `max`: a bound that is not allowed itself. */
  below?: number;
  /** What is counted: "rows", "milliseconds", "characters"; of a text, "bytes" counts its UTF-8. */
  unit?: string;
  /** Whether a text is what the words of `unit` say. */
  accepts?: (text: string) => boolean;
  /** The range of each item of a list. */
  each?: InputRange;
  /** The ranges of fields of each item of a list. */
  fields?: Readonly<Record<string, InputRange>>;
}

type NumberText = (value: number) => string;
const plain: NumberText = String;
const grouped: NumberText = (value) => value.toLocaleString('en-US', { maximumFractionDigits: 20 });

/** "1 to 10000 rows", "above 0, at most 10", "at most 200 characters". */
export function rangeText({ min, above, max, below, unit }: InputRange, text: NumberText = plain): string {
  const bounds = boundsText({ min, above, max, below }, text);
  if (!unit) return bounds;
  return `${bounds} ${bounds.endsWith(' 1') || bounds === '1' ? unit.replace(/s\b/, '') : unit}`;
}

function boundsText({ min, above, max, below }: InputRange, text: NumberText): string {
  if (min !== undefined && max !== undefined) return min === max ? text(min) : `${text(min)} to ${text(max)}`;
  const bounds: [string, number | undefined][] = [
    ['at least', min],
    ['above', above],
    ['at most', max],
    ['below', below],
  ];
  return bounds.flatMap(([words, bound]) => (bound === undefined ? [] : `${words} ${text(bound)}`)).join(', ');
}

/** The sentence of a description, for people: with the ranges of items, and 10,000 in place of 10000. */
export function describeRange(range: InputRange): string {
  const items: [string, InputRange][] = Object.entries(range.fields ?? {}).map(([name, of]) => [`each ${name} `, of]);
  if (range.each) items.push(['each ', range.each]);
  return [rangeText(range, grouped), ...items.map(([what, of]) => `${what}${rangeText(of, grouped)}`)].join(', ');
}

function amountOf(value: number | string | readonly unknown[], unit: string | undefined): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && unit?.startsWith('bytes') ? Buffer.byteLength(value) : value.length;
}

/** BAD_USER_INPUT when a value lies outside of its range. */
export function checkRange(
  range: InputRange,
  value: number | string | readonly unknown[],
  parent: InputPosition | null,
  key: string | number,
): void {
  const { min = -Infinity, above = -Infinity, max = Infinity, below = Infinity, unit, accepts, each, fields } = range;
  const amount = amountOf(value, unit);
  const isWithin = amount >= min && amount <= max && amount > above && amount < below;
  if (!isWithin || (accepts && typeof value === 'string' && !accepts(value)))
    throw badInput(pathOf(parent, key), rangeText(range), gotText(range, value, amount));
  if (!Array.isArray(value) || !(each || fields)) return;
  const list = { parent, key };
  value.forEach((item, i) => {
    if (each) checkRange(each, item as number | string, list, i);
    for (const [name, of] of Object.entries(fields ?? {})) {
      const inner = (item as Record<string, number | string | null | undefined>)[name];
      if (inner !== null && inner !== undefined) checkRange(of, inner, { parent: list, key: i }, name);
    }
  });
}

/** A wrong number or a text of a wrong form as it is; of a list and of a longer text only how long it is. */
function gotText({ accepts, unit }: InputRange, value: unknown, amount: number): unknown {
  if (typeof value === 'number' || accepts) return value;
  if (typeof value === 'string') return `${amount} ${unit?.startsWith('bytes') ? 'bytes' : 'characters'}`;
  return amount;
}

/** Items on a page of a list. */
export const PAGE_SIZE = { min: 1, max: 500, unit: 'items' } satisfies InputRange;

/** A text of these many characters. */
export const characters = (min: number, max: number): InputRange => ({
  ...(min > 0 && { min }),
  max,
  unit: 'characters',
});

/** What a list is searched for. */
export const SEARCH_TEXT = characters(0, 200);

/** The place in a stream after which it goes on. */
export const SEQUENCE: InputRange = { min: 0 };

/** The number of a version of a model or dataset. */
export const VERSION: InputRange = { min: 1 };

/** A text that says something. */
export const written = (max: number): InputRange => ({
  min: 1,
  max,
  unit: 'characters, not only white space',
  accepts: (text) => text.trim() !== '',
});
