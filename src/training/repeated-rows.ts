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
  const whole = new RowKeys(codes, checked);
  const pairs = new Map<number, number>();
  let exact = 0;
  for (const row of train)
    for (const found of whole.find(row)) {
      exact += 1;
      if (!pairs.has(found)) pairs.set(found, row);
    }
  let [agreement, expectedByChance] = [1, train.length];
  for (const [at, code] of codes.entries()) {
    expectedByChance *= collisionShare(code, train);
    if (exact === 0) continue;
    const others = new RowKeys(
      codes.filter((_, other) => other !== at),
      checked,
    );
    let near = 0;
    for (const row of train) near += others.count(row);
    agreement = Math.min(agreement, exact / near);
  }
  return {
    pairs: Array.from(pairs, ([row, trainingRow]) => ({ row, trainingRow })).sort((a, b) => a.row - b.row),
    agreement,
    expectedByChance,
  };
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

/** Rows by the values of their columns. A hash chooses the candidates, and the values decide. */
class RowKeys {
  private readonly byHash = new Map<number, number[]>();
  private readonly bits = new DataView(new ArrayBuffer(8));

  constructor(
    private readonly codes: readonly Codes[],
    rows: Int32Array,
  ) {
    for (const row of rows) {
      const hash = this.hash(row);
      const known = this.byHash.get(hash);
      if (known) known.push(row);
      else this.byHash.set(hash, [row]);
    }
  }

  find(row: number): number[] {
    const candidates = this.byHash.get(this.hash(row));
    return candidates ? candidates.filter((other) => this.codes.every((code) => isSame(code(row), code(other)))) : [];
  }

  count(row: number): number {
    return this.find(row).length;
  }

  private hash(row: number): number {
    let hash = 0;
    for (const code of this.codes) {
      const value = code(row);
      this.bits.setFloat64(0, value === 0 ? 0 : value);
      hash = Math.imul(hash ^ this.bits.getInt32(0), 0x9e3779b1);
      hash = Math.imul(hash ^ (hash >>> 15) ^ this.bits.getInt32(4), 0x85ebca6b);
      hash ^= hash >>> 13;
    }
    return hash;
  }
}

function isSame(a: number, b: number): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}
