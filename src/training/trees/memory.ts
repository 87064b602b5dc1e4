import { badInput } from '../../errors.js';

/** Numbers that a bin of a histogram has: sum of gradients, sum of hessians, rows, and one that is not used. */
export const PER_BIN = 4;
/** Numbers that describe the best split of one feature, in this order. */
export const SPLIT_FIELDS = 7;
export const SPLIT = {
  gain: 0,
  bin: 1,
  missingLeft: 2,
  leftGradient: 3,
  leftHessian: 4,
  leftRows: 5,
  isSet: 6,
} as const;
/** Rows that a thread takes at once. */
export const CHUNK_ROWS = 16_384;

export type Loss = 'SQUARED' | 'LOGISTIC' | 'SOFTMAX' | 'QUANTILE';

export interface TreeOptions {
  loss: Loss;
  /** Of QUANTILE, in (0, 1). */
  quantile: number;
  maxLeaves: number;
  /** 0: no limit. */
  maxDepth: number;
  minLeafRows: number;
  l2: number;
  learningRate: number;
}

/** One feature as the threads see it. */
export interface FeatureLayout {
  /** The last bin is for missing values. */
  binCount: number;
  /** Of its first bin among the bins of all features. */
  offset: number;
  isCategory: boolean;
  /** Which column of words holds its bins, and how far to the right they are to be shifted there. */
  column: number;
  shift: number;
  /** 1: predictions may only rise with the feature, −1: only fall; 0: either. */
  monotone: -1 | 0 | 1;
}

/**
 * Features whose bins stand in one column of words, so that a row's are read at once: up to four of a byte each, or one
 * with more than 256 bins.
 */
export interface ColumnLayout {
  features: number[];
  mask: 0xff | 0xffff;
}

/** Rows whose features are bins. */
export interface BinnedRows {
  rows: number;
  /** A word per row each. */
  columns: Uint32Array[];
  /** What the trees so far add up to: rows × outputs, one output after the other. */
  scores: Float64Array;
}

/** What the threads of a training share; all arrays lie in shared memory. */
export interface SharedMemory {
  /** Where the arrays lie that the loops in WebAssembly use. */
  loopMemory: WebAssembly.Memory;
  features: FeatureLayout[];
  columns: ColumnLayout[];
  totalBins: number;
  options: TreeOptions;
  /** Trees of an iteration. */
  outputs: number;
  train: BinnedRows;
  validation: BinnedRows;
  /** The target's value or class of each training row. */
  target: Float64Array;
  /** What each training row counts; empty when all count alike. */
  weights: Float64Array;
  /** outputs × rows × 2: gradient and hessian. */
  pairs: Float32Array;
  /** Rows of the tree, those of a node side by side and in ascending order. */
  index: Uint32Array;
  lefts: Uint32Array;
  rights: Uint32Array;
  /** Gradient and hessian of the rows of a node, in the order of `index`. */
  orderedPairs: Float32Array;
  /** slots × totalBins × PER_BIN. */
  histograms: Float64Array;
  /** 2 children × features × SPLIT_FIELDS. */
  splits: Float64Array;
  /** 2 children × features × setWords: the categories that go left. */
  splitSets: Uint32Array;
  setWords: number;
  /** The bins that go left in the present division, as bits. */
  leftBits: Uint32Array;
  /** Which features this tree may use. */
  allowed: Uint8Array;
  tree: TreeArrays;
  /** Rows of each leaf in `index`, and what it adds. */
  leaves: { starts: Uint32Array; ends: Uint32Array; nodes: Uint32Array };
  /** What the present operation works on, by the names of ARGUMENT. */
  args: Float64Array;
  /** Per chunk: rows that go left. */
  leftCounts: Uint32Array;
  /** Turn, operation, next task, tasks, tasks done: see threads.ts. */
  control: Int32Array;
}

/** A tree of at most maxLeaves leaves; node 0 is the root. */
export interface TreeArrays {
  /** −1: a leaf. */
  feature: Int32Array;
  bin: Int32Array;
  missingLeft: Uint8Array;
  isSet: Uint8Array;
  left: Int32Array;
  right: Int32Array;
  value: Float64Array;
  /** setWords of each node. */
  sets: Uint32Array;
}

const PAGE_BYTES = 65_536;
/** What 32 bits address. */
const MAX_PAGES = 65_536;
/** Of an array's begin, so that two doubles are read at once. */
const ALIGNMENT = 32;

/** Shared memory that the loops in WebAssembly read and write. */
export class Arena {
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
  private used = ALIGNMENT;

  doubles(length: number): Float64Array<SharedArrayBuffer> {
    return new Float64Array(...this.place(length, Float64Array.BYTES_PER_ELEMENT));
  }

  floats(length: number): Float32Array<SharedArrayBuffer> {
    return new Float32Array(...this.place(length, Float32Array.BYTES_PER_ELEMENT));
  }

  words(length: number): Uint32Array<SharedArrayBuffer> {
    return new Uint32Array(...this.place(length, Uint32Array.BYTES_PER_ELEMENT));
  }

  private place(length: number, bytesEach: number): [SharedArrayBuffer, number, number] {
    const start = this.used;
    this.used = Math.ceil((start + length * bytesEach) / ALIGNMENT) * ALIGNMENT;
    const { buffer } = this.memory;
    const missing = Math.ceil((this.used - buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) {
      if (buffer.byteLength / PAGE_BYTES + missing > MAX_PAGES)
        throw badInput('config.sampleRows', 'fewer rows: boosted trees hold 4 GiB of rows at most', 'all rows');
      this.memory.grow(missing);
    }
    const { buffer: grown } = this.memory;
    if (!(grown instanceof SharedArrayBuffer)) throw new Error('The memory of the loops is shared.');
    return [grown, start, length];
  }
}

export function sharedDoubles(length: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(length * 8));
}
export function sharedWords(length: number): Uint32Array {
  return new Uint32Array(new SharedArrayBuffer(length * 4));
}
export function sharedIntegers(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(length * 4));
}
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

export function isInSet(sets: Uint32Array, offset: number, code: number): boolean {
  return ((sets[offset + (code >>> 5)]! >>> (code & 31)) & 1) === 1;
}
