import type { TrainingConfig } from '../modules/algorithms/index.js';
import { categoryAt, type Column } from '../modules/model-contract/index.js';
import { partsByValue, type Split } from './split.js';

export type Part = keyof Split;

/** What becomes of a row. */
export const FATE = {
  /** The config does not use it. */
  leftOut: 0,
  train: 1,
  validation: 2,
  holdout: 3,
  /** It belongs to validation or holdout, which have enough rows without it. */
  spare: 4,
} as const;

/** Numbers that make the draws for one row independent of each other. */
const DRAW = { sample: 1, part: 2, held: 3 } as const;
/** Values of a time column, among which the borders of the parts are looked for, at most. */
const CUT_VALUES = 500_000;

/**
 * Divides rows one by one, in any number of passes: what becomes of a row depends only on its number in the file, the
 * seed, and what the first pass (`look`) has found out. Validation and holdout get at most `mostHeld` rows each.
 */
export class RowParts {
  private readonly times: number[] = [];
  private readonly byValue = new Map<string, number>();
  private readonly sampledShare: number;
  /** Below the first: training; below the second: validation; the others: holdout. */
  private cuts = [0, 0] as [number, number];
  private partOf: ((value: string) => Part | undefined) | undefined;
  /** Of the rows of each part, the fraction that is in memory. */
  private keptShare: Record<Part, number> = { train: 1, validation: 1, holdout: 1 };
  /** Rows whose value names no part. */
  leftOut = 0;

  constructor(
    private readonly config: TrainingConfig,
    private readonly usable: number,
    /** Rows of each part that may be in memory. */
    private readonly mostHeld: number,
  ) {
    this.sampledShare = config.sampleRows > 0 ? Math.min(1, config.sampleRows / usable) : 1;
  }

  /** The first pass: all rows, with the column that divides them. */
  look(rowNumbers: Float64Array, columns: ReadonlyMap<string, Column>): void {
    const { split } = this.config;
    if (split.by === 'RATIO') return;
    const column = columns.get(split.column)!;
    if (split.by === 'COLUMN') {
      for (let at = 0; at < rowNumbers.length; at++) {
        const value = categoryAt(column, at);
        this.byValue.set(value, (this.byValue.get(value) ?? 0) + 1);
      }
    } else if (column.type !== 'STRING') {
      const share = CUT_VALUES / this.usable;
      for (let at = 0; at < rowNumbers.length; at++)
        if (this.draw(DRAW.held, rowNumbers[at]!) < share) this.times.push(column.values[at]!);
    }
  }

  /** After the first pass. Errors: BAD_USER_INPUT for values that do not say which rows are the holdout. */
  decide(): void {
    const { config, usable, sampledShare, mostHeld } = this;
    const { split } = config;
    const sizes = { train: 0, validation: 0, holdout: 0 };
    if (split.by === 'COLUMN') {
      const { partOf, others } = partsByValue(split, new Set(this.byValue.keys()));
      this.partOf = (value) => partOf.get(value) ?? others;
      for (const [value, count] of this.byValue) {
        const part = this.partOf(value);
        if (part === undefined) this.leftOut += count;
        else sizes[part] += count * sampledShare;
      }
      if (sizes.validation === 0) {
        const wanted = Math.min(split.validation * sizes.train, mostHeld);
        this.cuts = [0, wanted / sizes.train];
        sizes.validation = wanted;
        sizes.train -= wanted;
      }
    } else {
      const rows = usable * sampledShare;
      sizes.validation = rows * split.validation;
      sizes.holdout = rows * split.holdout;
      if (split.by === 'TIME') {
        const times = Float64Array.from(this.times).sort();
        const at = (share: number): number => times[Math.min(times.length - 1, Math.round(times.length * share))]!;
        this.cuts = [at(1 - split.validation - split.holdout), at(1 - split.holdout)];
      } else {
        sizes.validation = Math.min(sizes.validation, mostHeld);
        sizes.holdout = Math.min(sizes.holdout, mostHeld);
        this.cuts = [sizes.holdout / rows, (sizes.holdout + sizes.validation) / rows];
      }
      sizes.train = rows - sizes.validation - sizes.holdout;
    }
    for (const part of ['train', 'validation', 'holdout'] as const)
      this.keptShare[part] = Math.min(1, mostHeld / sizes[part]);
  }

  /** What becomes of each of these rows, as values of FATE. */
  fatesOf(rowNumbers: Float64Array, columns: ReadonlyMap<string, Column>): Uint8Array {
    const { split } = this.config;
    const column = split.by === 'RATIO' ? undefined : columns.get(split.column)!;
    const fates = new Uint8Array(rowNumbers.length);
    for (let at = 0; at < fates.length; at++) {
      const row = rowNumbers[at]!;
      if (this.sampledShare < 1 && this.draw(DRAW.sample, row) >= this.sampledShare) continue;
      const part = this.partAt(row, at, column);
      if (part === undefined) continue;
      fates[at] = part === 'train' || this.isHeld(part, row) ? FATE[part] : FATE.spare;
    }
    return fates;
  }

  /** Whether a row of this part is in memory. */
  isHeld(part: Part, row: number): boolean {
    const share = this.keptShare[part];
    return share === 1 || this.draw(DRAW.held, row) < share;
  }

  private partAt(row: number, at: number, column: Column | undefined): Part | undefined {
    const [low, high] = this.cuts;
    if (column === undefined) {
      const drawn = this.draw(DRAW.part, row);
      return drawn < low ? 'holdout' : drawn < high ? 'validation' : 'train';
    }
    if (this.config.split.by === 'TIME') {
      const time = (column.values as Float64Array)[at]!;
      return time < low ? 'train' : time < high ? 'validation' : 'holdout';
    }
    const part = this.partOf!(categoryAt(column, at));
    return part === 'train' && high > 0 && this.draw(DRAW.part, row) < high ? 'validation' : part;
  }

  /** A number in [0, 1); the finalizer of MurmurHash3 mixes the bits. */
  private draw(which: number, row: number): number {
    let hash = (row + Math.imul(this.config.seed + 1, 0x9e3779b1) + Math.imul(which, 0x85ebca77)) | 0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
  }
}
