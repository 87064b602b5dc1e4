import { totalmem } from 'node:os';
import {
  type Column,
  categoryAt,
  type ColumnReading,
  type ColumnRequest,
  mergeRequests,
} from '../modules/model-contract/index.js';
import {
  DEFAULT_TERMS,
  foldColumnOf,
  MAX_CLASSES,
  type Task,
  taskOf,
  type TrainingConfig,
} from '../modules/algorithms/index.js';
import { AppError, badInput, ErrorCode } from '../errors.js';
import { countEach, readColumns } from '../adapters/dataset-files/dataset-reader.js';
import type { ReadOptions, Table } from '../adapters/dataset-files/port.js';
import type { Target } from './port.js';
import { type Split, splitRows } from './split.js';

/** The rows that a training uses. The indexes of `split` refer to these rows. */
export interface TrainingRows {
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

/**
 * The same config and file always give the same rows, order and split. Errors: BAD_USER_INPUT, which names the field.
 */
export async function loadRows(
  table: Table,
  config: TrainingConfig,
  inputs: readonly ColumnRequest[] = featureRequests(config),
): Promise<TrainingRows> {
  const targetColumn = config.target?.column;
  const timeColumn = config.split.by === 'TIME' ? config.split.column : undefined;
  const partColumn = config.split.by === 'COLUMN' ? config.split.column : undefined;
  const foldedBy = foldColumnOf(config.crossValidation, timeColumn);
  const parts: ColumnRequest[] = partColumn === undefined ? [] : [{ name: partColumn, form: 'TEXT' }];
  if (foldedBy !== undefined)
    parts.push({ name: foldedBy, form: config.crossValidation?.by === 'TIME' ? 'VALUE' : 'TEXT' });
  const { window, sampleWeight } = config;
  const weighing: ColumnRequest[] = sampleWeight ? [{ name: sampleWeight.column, form: 'VALUE' }] : [];
  const requests = mergeRequests([
    ...inputs,
    ...targetRequests(taskOf(config.algorithm), config.target),
    ...parts,
    ...weighing,
  ]);
  const present = [targetColumn, timeColumn, partColumn].filter((name) => name !== undefined);
  const options: ReadOptions = { columns: requests, present, window, orderBy: timeColumn };
  if (config.sampleRows > 0) options.sample = { rows: config.sampleRows, seed: config.seed };
  const wanted = [
    { window },
    { window, present: present.slice(0, targetColumn === undefined ? 0 : 1) },
    { window, present },
  ];
  const [all, withTarget, usable] = await countEach(table, wanted);
  checkMemory(Math.min(usable!, config.sampleRows || Infinity), requests.length + termsOf(config));
  const batch = await readColumns(table, options);
  const columns = new Map(batch.columns.map((column) => [column.name, column]));
  const { split, leftOut } = splitRows(
    config,
    batch.rowCount,
    partColumn === undefined ? undefined : columns.get(partColumn),
  );
  const target = targetColumn === undefined ? undefined : buildTarget(config, columns.get(targetColumn)!, split.train);

  return {
    columns,
    readings: table.columns,
    rowNumbers: batch.rowNumbers,
    target,
    weights: sampleWeight && weightsOf(columns.get(sampleWeight.column)!, split),
    foldColumn: foldedBy === undefined ? undefined : columns.get(foldedBy),
    split,
    droppedMissingTarget: all! - withTarget!,
    droppedMissingTime: timeColumn === undefined ? 0 : withTarget! - usable!,
    droppedWithoutPart: partColumn === undefined ? undefined : withTarget! - usable! + leftOut,
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

/** The terms of all texts, each as wide as a fraction of a column. */
function termsOf({ features }: TrainingConfig): number {
  const terms = features.map(({ kind, maxTerms = DEFAULT_TERMS }) => (kind === 'TEXT' ? maxTerms : 0));
  return Math.ceil((terms.reduce((sum, count) => sum + count, 0) * BYTES_PER_TERM) / BYTES_PER_VALUE);
}

/** A value is held raw and encoded, and also in a copy while it is read. */
const BYTES_PER_VALUE = 24;
const BYTES_PER_TERM = 4;
const MEMORY_SHARE = 0.6;

function checkMemory(rows: number, columns: number): void {
  const neededBytes = rows * columns * BYTES_PER_VALUE;
  const availableBytes = totalmem() * MEMORY_SHARE;
  if (neededBytes <= availableBytes) return;
  const affordable = Math.floor(availableBytes / columns / BYTES_PER_VALUE);
  throw new AppError(
    ErrorCode.RESOURCE_EXHAUSTED,
    `${rows} rows of ${columns} columns do not fit this machine's memory.`,
    {
      field: 'config.sampleRows',
      expected: `at most ${affordable}`,
      got: String(rows),
    },
  );
}

function buildTarget(config: TrainingConfig, column: Column, train: Int32Array): Target {
  const target = targetOf(taskOf(config.algorithm), config.target?.greaterThan, column);
  const values: ArrayLike<number> = target.kind === 'VALUES' ? target.values : target.labels;
  if (train.every((row) => values[row] === values[train[0]!])) {
    const only = values[train[0]!]!;
    if (target.kind === 'VALUES')
      throw badInput('config.target.column', 'different values in the training rows', `${column.name}, always ${only}`);
    throw badInput(
      'config.target.column',
      'at least two classes in the training rows',
      `${column.name}, always ${target.classes[only]}`,
    );
  }
  return target;
}

/** Errors: BAD_USER_INPUT for a weight that is missing or negative, and for a part whose rows all have weight 0. */
function weightsOf(column: Column, split: Split): Float64Array {
  const field = 'config.sampleWeight.column';
  if (column.type !== 'NUMBER') throw badInput(field, 'a NUMBER column', `${column.name} (${column.type})`);
  const { values } = column;
  const wrong = values.find((value) => !(value >= 0 && value < Infinity));
  if (wrong !== undefined) throw badInput(field, 'weights of at least 0 in all rows', `${column.name} with ${wrong}`);
  for (const [part, rows] of Object.entries(split) as [string, Int32Array][])
    if (!rows.some((row) => values[row]! > 0))
      throw badInput(field, `weights above 0 in the ${part} rows`, `${column.name}, always 0`);
  return values;
}

/** A column as a target; its classes are the values that occur in it. */
export function targetOf(task: Task, greaterThan: number | undefined, column: Column): Target {
  if (task === 'REGRESSION') {
    if (column.type !== 'NUMBER')
      throw badInput('config.target.column', 'a NUMBER column', `${column.name} (${column.type})`);
    return { kind: 'VALUES', values: column.values };
  }
  return greaterThan === undefined ? classTarget(column) : thresholdTarget(column, greaterThan);
}

function thresholdTarget(column: Column, threshold: number): Target & { kind: 'CLASSES' } {
  if (column.type !== 'NUMBER')
    throw badInput('config.target.column', 'a NUMBER column, as greaterThan needs', `${column.name} (${column.type})`);
  const labels = Int32Array.from(column.values, (value) => (value > threshold ? 1 : 0));
  return { kind: 'CLASSES', classes: ['0', '1'], datatype: 'INT64', labels };
}

function classTarget(column: Column): Target & { kind: 'CLASSES' } {
  const numeric = column.type === 'NUMBER';
  if (numeric) {
    const odd = column.values.find((value) => !Number.isInteger(value));
    if (odd !== undefined)
      throw badInput(
        'config.target.column',
        'whole numbers as classes, or target.greaterThan',
        `${column.name} with ${odd}`,
      );
  }
  const found = new Set<string>();
  const texts = Array.from({ length: column.values.length }, (_, row) => categoryAt(column, row));
  for (const text of texts) found.add(text);
  if (found.size > MAX_CLASSES)
    throw badInput('config.target.column', `at most ${MAX_CLASSES} classes`, `${column.name} (${found.size})`);
  const classes = [...found].sort();
  if (column.type === 'NUMBER') {
    const values = new Map(texts.map((text, row) => [text, column.values[row]!]));
    classes.sort((a, b) => values.get(a)! - values.get(b)!);
  }
  const indexOf = new Map(classes.map((name, index) => [name, index]));
  // A spelling that no integer has, such as 1.0 or 1e3, stays a text.
  const areIntegers = numeric && classes.every((name) => String(Number(name)) === name);
  return {
    kind: 'CLASSES',
    classes,
    datatype: areIntegers ? 'INT64' : 'BYTES',
    labels: Int32Array.from(texts, (text) => indexOf.get(text)!),
  };
}
