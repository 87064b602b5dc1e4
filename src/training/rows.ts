import { totalmem } from 'node:os';
import { type Column, type ColumnReading, type ColumnRequest, mergeRequests } from '../modules/model-contract/index.js';
import {
  blocksRefusal,
  bytesInMemory,
  foldColumnOf,
  type Task,
  taskOf,
  type TrainingConfig,
} from '../modules/algorithms/index.js';
import { AppError, ErrorCode } from '../errors.js';
import { countEach, readColumns } from '../adapters/dataset-files/dataset-reader.js';
import type { Table } from '../adapters/dataset-files/port.js';
import { checkPartWeights, checkWeights } from './class-weights.js';
import type { Target } from './port.js';
import { readMessage, type RowStream, type StreamRequest, streamRows } from './row-stream.js';
import { type Split, splitRows } from './split.js';
import { checkTargetVaries, targetOf } from './target.js';

/**
 * The rows that a training has in memory. The indexes of `split` refer to these rows. With a stream, its training rows
 * are only a sample, to which encodings are fitted, and the stream has all of them.
 */
export interface TrainingRows {
  stream?: RowStream;
  columns: ReadonlyMap<string, Column>;
  /** How the columns of the table were read. */
  readings: readonly ColumnReading[];
  rowNumbers: Float64Array;
  target: Target | undefined;
  /** How much each row counts; all the same when absent. */
  weights?: Float64Array;
  /** The groups or the times of a cross-validation. */
  foldColumn: Column | undefined;
  split: Split;
  droppedMissingTarget: number;
  droppedMissingTime: number;
  /** For a split by a column: rows without a value there, or with a value that names no part. */
  droppedWithoutPart: number | undefined;
}

export interface Reading {
  /** The columns of the model; those of the config's features when absent. */
  inputs?: readonly ColumnRequest[] | undefined;
  /** Where files of rows can lie until the training ends. */
  folder?: string;
  /** Called with the finished fraction of the reading. */
  onRead?(share: number, message: string): void;
}

/**
 * The same config and file always give the same rows, order and split. Errors: BAD_USER_INPUT, which names the field.
 */
export async function loadRows(
  table: Table,
  config: TrainingConfig,
  { inputs = featureRequests(config), folder, onRead }: Reading = {},
): Promise<TrainingRows> {
  const { window, sampleWeight, split } = config;
  const targetColumn = config.target?.column;
  const timeColumn = split.by === 'TIME' ? split.column : undefined;
  const partColumn = split.by === 'COLUMN' ? split.column : undefined;
  const foldedBy = foldColumnOf(config.crossValidation, timeColumn);
  const parts: ColumnRequest[] = partColumn === undefined ? [] : [{ name: partColumn, form: 'TEXT' }];
  if (foldedBy !== undefined)
    parts.push({ name: foldedBy, form: config.crossValidation?.by === 'TIME' ? 'VALUE' : 'TEXT' });
  const weighing: ColumnRequest[] = sampleWeight ? [{ name: sampleWeight.column, form: 'VALUE' }] : [];
  const requests = mergeRequests([
    ...inputs,
    ...targetRequests(taskOf(config.algorithm), config.target),
    ...parts,
    ...weighing,
  ]);
  const present = [targetColumn, timeColumn, partColumn].filter((name) => name !== undefined);
  const [all, withTarget, usable] = await countEach(table, [
    { window },
    { window, present: present.slice(0, targetColumn === undefined ? 0 : 1) },
    { window, present },
  ]);
  const request = { table, config, requests, filter: { window, present }, usable: usable!, folder, onRead };
  const read = config.reading === 'BLOCKS' ? await streamRows(request) : await readWhole(request);
  if (read.target) checkTargetVaries(targetColumn!, read.target, read.split.train);
  if (sampleWeight) checkPartWeights(sampleWeight.column, read.weights!, read.split);
  return {
    ...read,
    readings: table.columns,
    foldColumn: foldedBy === undefined ? undefined : read.columns.get(foldedBy),
    droppedMissingTarget: all! - withTarget!,
    droppedMissingTime: timeColumn === undefined ? 0 : withTarget! - usable!,
    droppedWithoutPart: partColumn === undefined ? undefined : withTarget! - usable! + read.leftOut,
  };
}

async function readWhole({ table, config, requests, filter, usable, onRead }: StreamRequest) {
  const { split, sampleRows, seed, target, sampleWeight } = config;
  const expected = Math.min(usable, sampleRows || Infinity);
  checkMemory(config, expected, requests.length);
  const batch = await readColumns(table, {
    ...filter,
    columns: requests,
    ...(split.by === 'TIME' && { orderBy: split.column }),
    ...(sampleRows > 0 && { sample: { rows: sampleRows, seed } }),
    onRows: (rows) => onRead?.(rows / expected, readMessage('Reading rows', rows, expected)),
  });
  const columns = new Map(batch.columns.map((column) => [column.name, column]));
  const divided = splitRows(config, batch.rowCount, split.by === 'COLUMN' ? columns.get(split.column) : undefined);
  return {
    ...{ ...divided, columns, rowNumbers: batch.rowNumbers },
    target: target && targetOf(taskOf(config.algorithm), target.greaterThan, columns.get(target.column)!),
    ...(sampleWeight && { weights: checkWeights(columns.get(sampleWeight.column)!) }),
  };
}

/** Categories as texts of the file; numbers and times as values. */
export function featureRequests({ features }: TrainingConfig): ColumnRequest[] {
  return features.map(({ column: name, kind }) => ({
    name,
    form: kind === 'CATEGORICAL' || kind === 'TEXT' ? 'TEXT' : 'VALUE',
  }));
}

/** Classes are texts of the file; a threshold and a regression need the value. */
export function targetRequests(
  task: Task,
  target: { column: string; greaterThan?: number } | undefined,
): ColumnRequest[] {
  if (!target) return [];
  return [
    { name: target.column, form: task === 'CLASSIFICATION' && target.greaterThan === undefined ? 'BOTH' : 'VALUE' },
  ];
}

const MEMORY_SHARE = 0.6;

function checkMemory(config: TrainingConfig, rows: number, columns: number): void {
  const bytesPerRow = bytesInMemory(config, columns);
  const availableBytes = totalmem() * MEMORY_SHARE;
  if (rows * bytesPerRow <= availableBytes) return;
  const affordable = Math.floor(availableBytes / bytesPerRow);
  const otherwise = blocksRefusal(config) ? '' : ', or the reading BLOCKS, which does not hold them';
  throw new AppError(
    ErrorCode.RESOURCE_EXHAUSTED,
    `${rows} rows of ${columns} columns do not fit this machine's memory.`,
    {
      field: 'config.sampleRows',
      expected: `at most ${affordable}${otherwise}`,
      got: String(rows),
    },
  );
}
