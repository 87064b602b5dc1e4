import { type FileHandle, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, ErrorCode } from '../errors.js';
import { SeededRandom } from '../modules/statistics/index.js';
import type { LabelledRows } from './learner.js';
import { shuffle } from './split.js';

/** The encoded training rows, in blocks of which one at a time is in memory. */
export interface TrainingBlocks {
  rows: number;
  /** Rows of each block. */
  sizes: readonly number[];
  block(index: number): Promise<LabelledRows>;
  close(): Promise<void>;
}

/** Rows that are in memory: a single block. */
export function oneBlock(rows: LabelledRows): TrainingBlocks {
  return { rows: rows.rows, sizes: [rows.rows], block: async () => rows, close: async () => undefined };
}

export interface BlockShape {
  /** Numbers, indicators and embedded indexes of a row. */
  numericWidth: number;
  slots: number;
  embedded: number;
  truth: LabelledRows['truth']['kind'];
  hasWeights: boolean;
}

const BLOCK_ROWS = 65_536;
const BLOCK_BYTES = 16_000_000;
/** Memory for rows that are not yet written. */
const BUFFER_BYTES = 16_000_000;
/** The target and the weight of a row. */
const DOUBLES = 2;
const DEAL_SEED = 700_001;

/**
 * Writes rows to a file of blocks. Of every `blocks` rows in succession, each block gets one, by lot: so each block is
 * a fair sample of all rows, however they are sorted. Errors: RESOURCE_EXHAUSTED when the disk is too small.
 */
export async function writeBlocks(
  path: string,
  rows: number,
  batches: AsyncIterable<LabelledRows>,
  shape: BlockShape,
  { seed, blockRows = BLOCK_ROWS }: { seed: number; blockRows?: number },
): Promise<TrainingBlocks> {
  const layout = layoutOf(shape);
  const most = Math.max(1, Math.min(blockRows, Math.floor(BLOCK_BYTES / layout.rowBytes)));
  const count = Math.ceil(rows / most);
  const capacity = Math.ceil(rows / count);
  await checkDisk(join(path, '..'), rows * layout.rowBytes);
  const file = await open(path, 'w+');
  try {
    const dealer = new Dealer(file, layout, count, capacity, new SeededRandom(seed + DEAL_SEED));
    for await (const batch of batches) await dealer.deal(batch);
    const sizes = await dealer.finish();
    return {
      ...{ rows, sizes },
      block: (index) => readBlock(file, layout, index * capacity, sizes[index]!),
      close: async () => {
        await file.close();
        await rm(path, { force: true });
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Where the parts of a row lie, in units of 4 bytes; target and weight come first. */
interface Layout extends BlockShape {
  rowBytes: number;
  numericAt: number;
  indicatorsAt: number;
  embeddedAt: number;
}

function layoutOf(shape: BlockShape): Layout {
  const numericAt = DOUBLES * 2;
  const indicatorsAt = numericAt + shape.numericWidth;
  const embeddedAt = indicatorsAt + shape.slots;
  // A multiple of 8 bytes, because of the doubles.
  return { ...shape, numericAt, indicatorsAt, embeddedAt, rowBytes: Math.ceil((embeddedAt + shape.embedded) / 2) * 8 };
}

/** The same memory as numbers of each kind. */
class RowViews {
  readonly bytes: Uint8Array;
  readonly doubles: Float64Array;
  readonly floats: Float32Array;
  readonly integers: Int32Array;

  constructor(sizeBytes: number) {
    const buffer = new ArrayBuffer(sizeBytes);
    this.bytes = new Uint8Array(buffer);
    this.doubles = new Float64Array(buffer);
    this.floats = new Float32Array(buffer);
    this.integers = new Int32Array(buffer);
  }
}

/** Deals rows to the blocks, round after round; a round gives each block one row. */
class Dealer {
  private readonly views: RowViews;
  private readonly bufferRounds: number;
  private readonly order: Int32Array;
  /** Rows of the present round that are dealt, complete rounds in the buffer, and those in the file. */
  private dealt = 0;
  private buffered = 0;
  private written = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly layout: Layout,
    private readonly count: number,
    private readonly capacity: number,
    private readonly random: SeededRandom,
  ) {
    this.bufferRounds = Math.max(1, Math.min(capacity, Math.floor(BUFFER_BYTES / (count * layout.rowBytes))));
    this.views = new RowViews(this.bufferRounds * count * layout.rowBytes);
    this.order = Int32Array.from({ length: count }, (_, block) => block);
    this.shuffle();
  }

  async deal(batch: LabelledRows): Promise<void> {
    for (let row = 0; row < batch.rows; row++) {
      this.put(batch, row, this.order[this.dealt]! * this.bufferRounds + this.buffered);
      this.dealt += 1;
      if (this.dealt < this.count) continue;
      this.dealt = 0;
      this.buffered += 1;
      this.shuffle();
      if (this.buffered === this.bufferRounds) await this.flush();
    }
  }

  /** Writes what is left; returns the sizes of the blocks. */
  async finish(): Promise<number[]> {
    const whole = this.written + this.buffered;
    const isLonger = new Set(this.order.subarray(0, this.dealt));
    if (this.dealt > 0) this.buffered += 1;
    await this.flush();
    return Array.from({ length: this.count }, (_, block) => whole + (isLonger.has(block) ? 1 : 0));
  }

  private shuffle(): void {
    if (this.count > 1) shuffle(this.order, this.random);
  }

  private put(batch: LabelledRows, row: number, place: number): void {
    const { rowBytes, numericWidth, slots, embedded, numericAt, indicatorsAt, embeddedAt } = this.layout;
    const { doubles, floats, integers } = this.views;
    const at = (place * rowBytes) / 4;
    const { truth, weights } = batch;
    if (truth.kind !== 'NONE') doubles[at / 2] = (truth.kind === 'CLASSES' ? truth.labels : truth.values)[row]!;
    if (weights) doubles[at / 2 + 1] = weights[row]!;
    for (let i = 0; i < numericWidth; i++) floats[at + numericAt + i] = batch.numeric[row * numericWidth + i]!;
    for (let i = 0; i < slots; i++) integers[at + indicatorsAt + i] = batch.indicators[row * slots + i]!;
    for (let i = 0; i < embedded; i++) integers[at + embeddedAt + i] = batch.embedded[row * embedded + i]!;
  }

  private async flush(): Promise<void> {
    const { rowBytes } = this.layout;
    for (let block = 0; block < this.count && this.buffered > 0; block++) {
      const from = block * this.bufferRounds * rowBytes;
      const position = (block * this.capacity + this.written) * rowBytes;
      // The last round may have fewer rows than blocks: what a block lacks is never read.
      const rounds = Math.min(this.buffered, this.capacity - this.written);
      await this.file.write(this.views.bytes, from, rounds * rowBytes, position);
    }
    this.written += this.buffered;
    this.buffered = 0;
  }
}

async function readBlock(file: FileHandle, layout: Layout, firstRow: number, rows: number): Promise<LabelledRows> {
  const { rowBytes, numericWidth, slots, embedded, numericAt, indicatorsAt, embeddedAt, truth, hasWeights } = layout;
  const { bytes, doubles, floats, integers } = new RowViews(rows * rowBytes);
  for (let read = 0; read < bytes.length;) {
    const { bytesRead } = await file.read(bytes, read, bytes.length - read, firstRow * rowBytes + read);
    if (bytesRead === 0) throw new Error('A file of rows has ended too early.');
    read += bytesRead;
  }
  const numeric = new Float32Array(rows * numericWidth);
  const indicators = new Int32Array(rows * slots);
  const embeddedRows = new Int32Array(rows * embedded);
  const targets = new Float64Array(rows);
  const weights = hasWeights ? new Float64Array(rows) : undefined;
  for (let row = 0; row < rows; row++) {
    const at = (row * rowBytes) / 4;
    targets[row] = doubles[at / 2]!;
    if (weights) weights[row] = doubles[at / 2 + 1]!;
    for (let i = 0; i < numericWidth; i++) numeric[row * numericWidth + i] = floats[at + numericAt + i]!;
    for (let i = 0; i < slots; i++) indicators[row * slots + i] = integers[at + indicatorsAt + i]!;
    for (let i = 0; i < embedded; i++) embeddedRows[row * embedded + i] = integers[at + embeddedAt + i]!;
  }
  return {
    ...{ rows, numeric, indicators, embedded: embeddedRows },
    ...(weights && { weights }),
    truth:
      truth === 'CLASSES'
        ? { kind: 'CLASSES', labels: Int32Array.from(targets) }
        : truth === 'VALUE'
          ? { kind: 'VALUE', values: targets }
          : { kind: 'NONE' },
  };
}

async function checkDisk(folder: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (neededBytes <= freeBytes) return;
  throw new AppError(
    ErrorCode.RESOURCE_EXHAUSTED,
    `The encoded rows need ${neededBytes} bytes of the disk for temporary files, and ${freeBytes} are free: ` +
      'set config.sampleRows, or use fewer features.',
    { field: 'config.sampleRows', expected: `${neededBytes} free bytes`, got: String(freeBytes) },
  );
}
