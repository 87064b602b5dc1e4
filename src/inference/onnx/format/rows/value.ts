/** What is known about a value in a graph while rows are followed through it. */

/** A length: a number, or null when it is the same for all requests that may be joined, but unknown here. */
export type Size = number | null;

/** An element of a small tensor of numbers; 'ROWS' is the number of rows in the batch. */
export type Element = number | 'ROWS' | null;

export interface Value {
  /** Null when the rank is unknown. The length at `axis` has no meaning. */
  dims: Size[] | null;
  /**
   * The axis of the rows: the value has one entry per row there, and each depends only on its own row. Null: the value
   * is the same for every batch, except for elements that are 'ROWS'.
   */
  axis: number | null;
  /** For a small tensor of numbers that depends on no row. */
  elements?: Element[];
  /** The padding of texts that are padded to a length that depends on all rows. */
  padding?: string;
}

/** A value with an axis of rows; its rank is known. */
export interface Rows extends Value {
  dims: Size[];
  axis: number;
}

/** Why the rows of a value may not be independent; completes "the operator X …". */
export class RowsDepend extends Error {}

export function fail(reason: string): never {
  throw new RowsDepend(reason);
}

export const UNKNOWN_RANK = 'takes a value of unknown rank';

export function fixed(dims: Size[] | null = null, elements?: Element[]): Value {
  return elements ? { dims, axis: null, elements } : { dims, axis: null };
}

export function rows(dims: Size[], axis: number): Rows {
  return { dims: dims.with(axis, null), axis };
}

export function isRows(value: Value): value is Rows {
  return value.axis !== null;
}

export function rankOf({ dims }: Value): number {
  return dims === null ? fail(UNKNOWN_RANK) : dims.length;
}

/** True when an element is the number of rows, or depends on it. */
export function countsRows({ elements }: Value): boolean {
  return elements !== undefined && elements.includes('ROWS');
}

/** The value, when it depends on nothing in a request except its inner shape. */
export function requireFixed(value: Value | undefined, what: string): Value | undefined {
  if (value && (isRows(value) || countsRows(value))) fail(`takes its ${what} from the rows`);
  return value;
}

/** Small integers that do not depend on the rows. */
export function numbersOf(value: Value | undefined, what: string): number[] | undefined {
  if (!value) return undefined;
  const { elements } = requireFixed(value, what)!;
  if (!elements || elements.some((element) => element === null)) fail(`has ${what} that the file does not say`);
  return elements as number[];
}

export function wrapAxis(axis: number, rank: number): number {
  const wrapped = axis < 0 ? axis + rank : axis;
  return wrapped < 0 || wrapped >= Math.max(rank, 1)
    ? fail(`has axis ${axis}, where its input has ${rank} axes`)
    : wrapped;
}

/** The product of lengths, or null when one is not known. */
export function product(sizes: readonly Element[]): Size {
  let all = 1;
  for (const size of sizes) {
    if (typeof size !== 'number') return null;
    all *= size;
  }
  return all;
}

/**
 * NumPy's broadcasting: shapes are aligned at their ends, and a length of 1 is repeated. The rows of all values must be
 * at the same axis.
 */
export function broadcast(values: readonly Value[]): Value {
  const withRows = values.filter(isRows);
  if (values.some(countsRows)) fail('calculates with the number of rows');
  if (withRows.length === 0) return fixed(broadcastDims(values));
  const rank = Math.max(...values.map(rankOf));
  const fromEnd = withRows[0]!.dims.length - withRows[0]!.axis;
  for (const value of values) {
    const dims = value.dims!;
    if (isRows(value)) {
      if (dims.length - value.axis !== fromEnd) fail('pairs the rows with another axis');
    } else if (dims.length >= fromEnd && dims[dims.length - fromEnd] !== 1)
      fail('pairs the rows with a list of fixed length');
  }
  const dims = broadcastDims(values)!;
  // Before the rows, only lengths that all values have, or that are repeated, remain.
  return rows(dims, rank - fromEnd);
}

function broadcastDims(values: readonly Value[]): Size[] | null {
  if (values.some(({ dims }) => dims === null)) return null;
  const rank = Math.max(0, ...values.map(rankOf));
  return Array.from({ length: rank }, (_, at) => {
    const sizes = values.flatMap(({ dims }) => {
      const own = at - (rank - dims!.length);
      return own >= 0 ? [dims![own]!] : [];
    });
    const wide = sizes.filter((size) => size !== 1);
    if (wide.length === 0) return 1;
    return wide.every((size) => size === wide[0]) ? wide[0]! : (wide.find((size) => size !== null) ?? null);
  });
}
