import { type Column, takeRows } from '../domain/dataset-column.js';
import { TASK_OF, type Task } from '../domain/training-config.js';
import { badInput } from '../errors.js';
import { readColumns } from '../features/dataset-reader.js';
import { encodeRows, fitEncoding } from '../training/encoding.js';
import { sampledSilhouette } from '../training/measure.js';
import type { Target } from '../training/port.js';
import { loadRows, targetOf, type TrainingRows } from '../training/rows.js';
import type { DataFile, JudgedData, TargetColumn } from './port.js';

/** What a model that knows nothing would answer: each class's share, or the mean, of the training rows. */
export type BaseRate = { kind: 'SHARES'; shares: number[] } | { kind: 'MEAN'; mean: number };

export interface JudgedRows {
  task: Task;
  rowCount: number;
  columns: ReadonlyMap<string, Column>;
  /** Both undefined for clustering. */
  target: Target | undefined;
  baseRate: BaseRate | undefined;
  /** Mean silhouette of clusters of these rows, in the space that the training saw them in. */
  silhouetteOf(clusters: Int32Array): number | null;
}

const noSilhouette = (): null => null;

/** `inputs` are columns that models will be given. Errors: BAD_USER_INPUT. */
export async function loadJudgedRows(data: JudgedData, inputs: readonly string[]): Promise<JudgedRows> {
  if (data.kind === 'ALL') {
    const { columns, rowCount, target } = await readAll(data.file, inputs, data.task, data.target);
    return {
      task: data.task,
      rowCount,
      columns,
      target,
      baseRate: target && baseRateOf(target, everyRow(rowCount)),
      silhouetteOf: noSilhouette,
    };
  }
  const { config, training, other } = data;
  const task = TASK_OF[config.modelType];
  const features = config.features.map(({ column }) => column);
  const neededInTraining = task === 'CLUSTERING' ? features : [];
  const rows = await loadRows(training.path, training.format, config, [...new Set([...(other ? [] : inputs), ...neededInTraining])]);
  const baseRate = rows.target && baseRateOf(rows.target, rows.split.train);
  if (other) {
    const read = await readAll(other, [...new Set([...inputs, ...neededInTraining])], task, config.target);
    const target = read.target && rows.target && inTermsOf(rows.target, read.target);
    return { task, ...read, target, baseRate, silhouetteOf: silhouetteFor(rows, config, read.columns, everyRow(read.rowCount)) };
  }
  const { holdout } = rows.split;
  return {
    task,
    rowCount: holdout.length,
    columns: new Map(Array.from(rows.columns, ([name, column]) => [name, takeRows(column, holdout)])),
    target: rows.target && targetAt(rows.target, holdout),
    baseRate,
    silhouetteOf: silhouetteFor(rows, config, rows.columns, holdout),
  };
}

async function readAll(file: DataFile, inputs: readonly string[], task: Task, target: TargetColumn | undefined) {
  const names = [...new Set([...inputs, ...(target ? [target.column] : [])])];
  const batch = await readColumns(file.path, file.format, { columns: names, present: target ? [target.column] : [] });
  if (batch.rowCount === 0) throw badInput('input.datasetId', 'a dataset with rows whose target is known', 'none');
  const columns = new Map(batch.columns.map((column) => [column.name, column]));
  return { columns, rowCount: batch.rowCount, target: target && targetOf(task, target.greaterThan, columns.get(target.column)!) };
}

function everyRow(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, row) => row);
}

function baseRateOf(target: Target, rows: Int32Array): BaseRate {
  if (target.kind === 'VALUES') return { kind: 'MEAN', mean: rows.reduce((sum, row) => sum + target.values[row]!, 0) / rows.length };
  const counts = target.classes.map(() => 0);
  for (const row of rows) counts[target.labels[row]!]!++;
  return { kind: 'SHARES', shares: counts.map((count) => count / rows.length) };
}

function targetAt(target: Target, rows: Int32Array): Target {
  if (target.kind === 'CLASSES') return { ...target, labels: rows.map((row) => target.labels[row]!) };
  return { ...target, values: Float64Array.from(rows, (row) => target.values[row]!) };
}

/** Other rows' classes as indices into those that the model was trained on. */
function inTermsOf(trained: Target, other: Target): Target {
  if (trained.kind === 'VALUES' || other.kind === 'VALUES') return other;
  const indices = other.classes.map((name) => {
    const index = trained.classes.indexOf(name);
    if (index < 0)
      throw badInput('input.datasetId', `a dataset with the training's classes (${trained.classes.slice(0, 10).join(', ')})`, name);
    return index;
  });
  return { ...trained, labels: other.labels.map((label) => indices[label]!) };
}

function silhouetteFor(
  rows: TrainingRows,
  config: Parameters<typeof fitEncoding>[0],
  columns: ReadonlyMap<string, Column>,
  positions: Int32Array,
): JudgedRows['silhouetteOf'] {
  if (TASK_OF[config.modelType] !== 'CLUSTERING') return noSilhouette;
  return (clusters) => {
    const encoding = fitEncoding(config, rows.columns, rows.split.train);
    const shape = { numericWidth: encoding.numeric.length, indicatorSlots: encoding.slots.length, indicatorCount: encoding.indicatorCount };
    return sampledSilhouette(shape, encodeRows(encoding, columns, positions), clusters, 2000, config.seed);
  };
}
