import { categoryAt, type Column } from '../modules/model-contract/index.js';

/** Rows outside the training rows that are the same as a training row in all columns. */
export interface RepeatedRows {
  /** The row and the training row that is the same, as indexes of rows. */
  pairs: { row: number; trainingRow: number }[];
  /**
   * Of the pairs that agree in all columns but one, the fraction that also agree in that one; the lowest over the
   * columns. Near 1 for copies; where rows agree by chance, some column tells most of them apart.
   */
  agreement: number;
  /** How many training rows a row would equal by chance, if the columns were independent. */
  expectedByChance: number;
}

/** Finds the rows among `checked` that are copies of rows among `train`. */
export function repeatedRows(columns: readonly Column[], train: Int32Array, checked: Int32Array): RepeatedRows {
  const codes = columns.map((column) => codesOf(column));
  const hashes = new RowHashes(codes, train, checked);
  const wholeRows = new DistinctRows(codes, checked, hashes);
  const firstTrainingRow = new Map<number, number>();
  let exact = 0;
  for (const row of train) {
    const found = wholeRows.find(row);
    if (!found) continue;
    exact += found.count;
    if (!firstTrainingRow.has(found.row)) firstTrainingRow.set(found.row, row);
  }
  let [agreement, expectedByChance] = [1, train.length];
  for (const [at, code] of codes.entries()) {
    expectedByChance *= collisionShare(code, train);
    if (exact > 0) agreement = Math.min(agreement, exact / agreeingPairs(hashes, at, train, checked));
  }
  const pairs: { row: number; trainingRow: number }[] = [];
  for (const row of checked) {
    const found = firstTrainingRow.size > 0 ? wholeRows.find(row) : undefined;
    const trainingRow = found && firstTrainingRow.get(found.row);
    if (trainingRow !== undefined) pairs.push({ row, trainingRow });
  }
  return { pairs: pairs.sort((a, b) => a.row - b.row), agreement, expectedByChance };
}

/** How many pairs of a training and a checked row agree in all columns but one. Equal hashes count as equal rows. */
function agreeingPairs(hashes: RowHashes, without: number, train: Int32Array, checked: Int32Array): number {
  const counts = new Map<number, number>();
  for (const row of checked) {
    const hash = hashes.of(row, without);
    counts.set(hash, (counts.get(hash) ?? 0) + 1);
  }
  let pairs = 0;
  for (const row of train) pairs += counts.get(hashes.of(row, without)) ?? 0;
  return pairs;
}

/** The value of a column at a row as a number: equal values have equal numbers. */
type Codes = (row: number) => number;

function codesOf(column: Column): Codes {
  if (column.type !== 'STRING') {
    const { values } = column;
    return (row) => values[row]!;
  }
  const codes = new Map<string, number>();
  return (row) => {
    const text = categoryAt(column, row);
    const known = codes.get(text);
    if (known !== undefined) return known;
    codes.set(text, codes.size);
    return codes.size - 1;
  };
}

/** The chance that two rows have the same value. */
function collisionShare(code: Codes, rows: Int32Array): number {
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(code(row), (counts.get(code(row)) ?? 0) + 1);
  let squares = 0;
  for (const count of counts.values()) squares += (count / rows.length) ** 2;
  return squares;
}

/** A number holds 53 bits: 32 of the first half of a hash, and 21 of the second. */
const SECOND_HALF = 2 ** 21;

/** Hashes of rows: sums over the columns, so that a column is taken out of a row's hash without reading the others. */
class RowHashes {
  private readonly high: Int32Array;
  private readonly low: Int32Array;
  private readonly bits = new DataView(new ArrayBuffer(8));

  constructor(
    private readonly codes: readonly Codes[],
    ...parts: Int32Array[]
  ) {
    let length = 0;
    for (const rows of parts) for (const row of rows) length = Math.max(length, row + 1);
    this.high = new Int32Array(length);
    this.low = new Int32Array(length);
    for (const rows of parts)
      for (const row of rows) {
        let [high, low] = [0, 0];
        for (let at = 0; at < codes.length; at += 1) {
          const mixed = this.mix(at, row);
          high = (high + mixed) | 0;
          low = (low + mixAgain(mixed)) | 0;
        }
        this.high[row] = high;
        this.low[row] = low;
      }
  }

  /** A hash of 53 bits; without the column at `without`, if given. */
  of(row: number, without?: number): number {
    const mixed = without === undefined ? 0 : this.mix(without, row);
    const high = (this.high[row]! - mixed) >>> 0;
    const low = (this.low[row]! - (without === undefined ? 0 : mixAgain(mixed))) >>> 0;
    return high * SECOND_HALF + (low >>> 11);
  }

  private mix(at: number, row: number): number {
    const value = this.codes[at]!(row);
    this.bits.setFloat64(0, value === 0 ? 0 : value);
    let hash = Math.imul(this.bits.getInt32(0) ^ Math.imul(at + 1, 0x9e3779b1), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ this.bits.getInt32(4), 0xc2b2ae35);
    return mixAgain(hash ^ (hash >>> 13));
  }
}

/** The last steps of MurmurHash3 (fmix32, Appleby 2011). */
function mixAgain(value: number): number {
  let hash = (value + 0x9e3779b9) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

interface DistinctRow {
  /** The first row that has these values. */
  row: number;
  count: number;
}

/** Equal rows are kept once, with their number. A hash chooses the candidates, and the values decide. */
class DistinctRows {
  private readonly byHash = new Map<number, DistinctRow[]>();

  constructor(
    private readonly codes: readonly Codes[],
    rows: Int32Array,
    private readonly hashes: RowHashes,
  ) {
    for (const row of rows) {
      const known = this.find(row);
      if (known) {
        known.count += 1;
        continue;
      }
      const hash = hashes.of(row);
      const others = this.byHash.get(hash);
      if (others) others.push({ row, count: 1 });
      else this.byHash.set(hash, [{ row, count: 1 }]);
    }
  }

  find(row: number): DistinctRow | undefined {
    return this.byHash
      .get(this.hashes.of(row))
      ?.find(({ row: other }) => this.codes.every((code) => isSame(code(row), code(other))));
  }
}

function isSame(a: number, b: number): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}
