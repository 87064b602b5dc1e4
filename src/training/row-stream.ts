import { readChunks } from '../adapters/dataset-files/dataset-reader.js';
import type { ColumnBatch, RowFilter, Table } from '../adapters/dataset-files/port.js';
import { bytesInMemory, checkSplitSizes, taskOf, type TrainingConfig } from '../modules/algorithms/index.js';
import {
  type Column,
  type ColumnRequest,
  joinColumns,
  mergeRequests,
  takeRows,
} from '../modules/model-contract/index.js';
import { checkWeights } from './class-weights.js';
import type { Target } from './port.js';
import { FATE, type Part, RowParts } from './row-parts.js';
import type { Split } from './split.js';
import { ClassFinder, type Classes, targetOf } from './target.js';

/** Limits of the rows of each part that are in memory, and of their values. */
const [FEWEST_HELD_ROWS, MOST_HELD_ROWS] = [10_000, 500_000];
const HELD_BYTES = 200_000_000;
/** Rows that are read at once. */
const CHUNK_ROWS = 32_768;
/** Where, in the whole reading, the second and the third pass begin. */
const CHOOSING_AT = 0.15;
const LEARNING_AT = 0.55;

/** Rows with their target, of which `positions` are the ones to use. */
export interface RowBatch {
  columns: ReadonlyMap<string, Column>;
  target: Target | undefined;
  weights?: Float64Array;
  positions: Int32Array;
}

/** The training rows of a training that does not hold them in memory. */
export interface RowStream {
  rows: number;
  /** For each training row in memory, its place among the rows of the stream. */
  places: Int32Array;
  /** Where files of rows can lie until the training ends; absent when nothing is to be learnt from the rows. */
  folder: string | undefined;
  /** Reads the rows once, in the order of the file. */
  batches(): AsyncGenerator<RowBatch>;
  /** All rows that the config uses, those of validation and holdout included. */
  all(onRead: StreamRequest['onRead']): RowStream;
}

export interface StreamRequest {
  table: Table;
  config: TrainingConfig;
  /** All columns that the training needs. */
  requests: readonly ColumnRequest[];
  filter: RowFilter;
  /** Rows that match the filter. */
  usable: number;
  folder: string | undefined;
  /** Called with the finished fraction of the reading. */
  onRead: ((share: number, message: string) => void) | undefined;
}

/** The rows in memory: validation, holdout, and a sample of the training rows, which the stream reads all. */
export interface StreamedRows {
  columns: ReadonlyMap<string, Column>;
  rowNumbers: Float64Array;
  target: Target | undefined;
  weights?: Float64Array;
  split: Split;
  stream: RowStream;
  /** Rows whose value names no part. */
  leftOut: number;
}

/**
 * Divides rows that are too many for the memory, or that shall not be there. A first pass reads the columns that decide
 * about rows, a second one takes the rows that stay in memory, and the stream reads the training rows as often as it is
 * asked. Errors: BAD_USER_INPUT, which names the field.
 */
export async function streamRows(given: StreamRequest): Promise<StreamedRows> {
  const { config } = given;
  const timeColumn = config.split.by === 'TIME' ? config.split.column : undefined;
  const timing: ColumnRequest[] = timeColumn === undefined ? [] : [{ name: timeColumn, form: 'VALUE' }];
  const request = { ...given, requests: mergeRequests([...given.requests, ...timing]) };
  const { parts, classes } = await look(request);
  const held = new HeldRows();
  const counts = { train: 0, all: 0 };
  const places: number[] = [];
  for await (const batch of passOver(request, request.requests, CHOOSING_AT, LEARNING_AT, 'Choosing rows')) {
    const fates = parts.fatesOf(batch.rowNumbers, batch.named);
    const taken: Record<Part, number[]> = { train: [], validation: [], holdout: [] };
    fates.forEach((fate, at) => {
      if (fate === FATE.leftOut) return;
      counts.all += 1;
      if (fate === FATE.validation) taken.validation.push(at);
      if (fate === FATE.holdout) taken.holdout.push(at);
      if (fate !== FATE.train) return;
      if (parts.isHeld('train', batch.rowNumbers[at]!)) {
        taken.train.push(at);
        places.push(counts.train);
      }
      counts.train += 1;
    });
    held.add(batch, taken);
  }
  const { columns, rowNumbers, split } = held.joined(timeColumn);
  checkSplitSizes(config, {
    train: counts.train,
    validation: split.validation.length,
    holdout: split.holdout.length,
  });
  const streamOf = (isAll: boolean, onRead: StreamRequest['onRead']): RowStream => ({
    rows: isAll ? counts.all : counts.train,
    places: Int32Array.from(places),
    folder: request.folder,
    batches: () => batchesOf({ ...request, onRead }, parts, classes, isAll),
    all: (onReadAll) => streamOf(true, onReadAll),
  });
  return {
    ...{ columns, rowNumbers, split, leftOut: parts.leftOut },
    ...labelsOf(config, columns, classes),
    stream: streamOf(false, request.onRead),
  };
}

/** Depends on the config alone, so that the same rows are the holdout again. */
function mostHeldOf(config: TrainingConfig): number {
  const affordable = Math.floor(HELD_BYTES / bytesInMemory(config, config.features.length + 1));
  return Math.max(FEWEST_HELD_ROWS, Math.min(MOST_HELD_ROWS, affordable));
}

/** The first pass: the classes, the weights, and the borders of the parts. */
async function look(request: StreamRequest): Promise<{ parts: RowParts; classes: Classes | undefined }> {
  const { config, requests, usable } = request;
  const { target, sampleWeight, split } = config;
  const parts = new RowParts(config, usable, mostHeldOf(config));
  const hasClasses = taskOf(config.algorithm) === 'CLASSIFICATION' && target?.greaterThan === undefined;
  const finder = target && hasClasses ? new ClassFinder(target.column) : undefined;
  const names = new Set([
    finder && target?.column,
    sampleWeight?.column,
    split.by === 'RATIO' ? undefined : split.column,
  ]);
  const needed = requests.filter(({ name }) => names.has(name));
  if (needed.length > 0)
    for await (const { named, rowNumbers } of passOver(request, needed, 0, CHOOSING_AT, 'Looking at the target')) {
      if (target) finder?.add(named.get(target.column)!);
      if (sampleWeight) checkWeights(named.get(sampleWeight.column)!);
      parts.look(rowNumbers, named);
    }
  parts.decide();
  return { parts, classes: finder?.get() };
}

async function* batchesOf(
  request: StreamRequest,
  parts: RowParts,
  classes: Classes | undefined,
  isAll: boolean,
): AsyncGenerator<RowBatch> {
  for await (const batch of passOver(request, request.requests, LEARNING_AT, 1, 'Reading rows')) {
    const fates = parts.fatesOf(batch.rowNumbers, batch.named);
    const positions = Int32Array.from(fates.keys()).filter((at) =>
      isAll ? fates[at] !== FATE.leftOut : fates[at] === FATE.train,
    );
    yield { columns: batch.named, positions, ...labelsOf(request.config, batch.named, classes) };
  }
}

type NamedBatch = ColumnBatch & { named: ReadonlyMap<string, Column> };

/** Reads the rows once, and tells the progress from one fraction of the whole reading to another. */
async function* passOver(
  { table, filter, usable, onRead }: StreamRequest,
  columns: readonly ColumnRequest[],
  from: number,
  to: number,
  what: string,
): AsyncGenerator<NamedBatch> {
  let read = 0;
  for await (const batch of readChunks(table, { ...filter, columns, chunkRows: CHUNK_ROWS })) {
    yield { ...batch, named: new Map(batch.columns.map((column) => [column.name, column])) };
    read += batch.rowCount;
    onRead?.(from + ((to - from) * read) / usable, readMessage(what, read, usable));
  }
}

export function readMessage(what: string, rows: number, of: number): string {
  return `${what}: ${rows.toLocaleString('en-US')} of ${of.toLocaleString('en-US')}`;
}

function labelsOf(
  { algorithm, target, sampleWeight }: TrainingConfig,
  columns: ReadonlyMap<string, Column>,
  classes: Classes | undefined,
): Pick<RowBatch, 'target' | 'weights'> {
  const weights = sampleWeight && columns.get(sampleWeight.column)!;
  return {
    target: target && targetOf(taskOf(algorithm), target.greaterThan, columns.get(target.column)!, classes),
    ...(weights && { weights: weights.values as Float64Array }),
  };
}

/** Collects the rows that stay in memory. */
class HeldRows {
  private readonly parts: Record<Part, { columns: Column[][]; rowNumbers: number[] }> = {
    train: { columns: [], rowNumbers: [] },
    validation: { columns: [], rowNumbers: [] },
    holdout: { columns: [], rowNumbers: [] },
  };

  add({ columns, rowNumbers }: ColumnBatch, taken: Record<Part, number[]>): void {
    for (const part of ['train', 'validation', 'holdout'] as const) {
      const rows = Int32Array.from(taken[part]);
      if (rows.length === 0) continue;
      this.parts[part].columns.push(columns.map((column) => takeRows(column, rows)));
      for (const row of rows) this.parts[part].rowNumbers.push(rowNumbers[row]!);
    }
  }

  /** The parts one after the other; validation and holdout in the order of time, when there is one. */
  joined(timeColumn: string | undefined): Pick<StreamedRows, 'columns' | 'rowNumbers' | 'split'> {
    const { train, validation, holdout } = this.parts;
    const batches = [...train.columns, ...validation.columns, ...holdout.columns];
    const found = (batches[0] ?? []).map((_, i) => joinColumns(batches.map((columns) => columns[i]!)));
    const rowNumbers = Float64Array.from([train, validation, holdout].flatMap((part) => part.rowNumbers));
    const ends = [train, validation, holdout].map((part) => part.rowNumbers.length);
    const range = (from: number, length: number): Int32Array => Int32Array.from({ length }, (_, i) => from + i);
    const split = {
      train: range(0, ends[0]!),
      validation: range(ends[0]!, ends[1]!),
      holdout: range(ends[0]! + ends[1]!, ends[2]!),
    };
    const columns = new Map(found.map((column) => [column.name, column]));
    if (timeColumn === undefined) return { columns, rowNumbers, split };
    const times = columns.get(timeColumn)!.values as Float64Array;
    const inTime = (rows: Int32Array): Int32Array => rows.slice().sort((a, b) => times[a]! - times[b]! || a - b);
    const order = Int32Array.from([...split.train, ...inTime(split.validation), ...inTime(split.holdout)]);
    return {
      columns: new Map(Array.from(columns, ([name, column]) => [name, takeRows(column, order)])),
      rowNumbers: Float64Array.from(order, (at) => rowNumbers[at]!),
      split,
    };
  }
}
