import type { Column } from '../domain/tracking/dataset-column.js';
import { TASK_OF, type Task } from '../domain/training/training-config.js';
import { badInput } from '../errors.js';
import { readColumns } from '../features/dataset-reader.js';
import { baseRateOf, loadHoldout } from '../training/holdout.js';
import type { BaseRate, Target } from '../training/port.js';
import { targetOf } from '../training/rows.js';
import type { DataFile, JudgedData, TargetColumn } from './port.js';

export interface JudgedRows {
  task: Task;
  rowCount: number;
  /** 0-based positions in the file. */
  rowNumbers: Float64Array;
  columns: ReadonlyMap<string, Column>;
  /** Both undefined for clustering. */
  target: Target | undefined;
  baseRate: BaseRate | undefined;
  /** Mean silhouette of clusters of these rows; null where there is no training to tell the space. */
  silhouetteOf(clusters: Int32Array): number | null;
}

/** `inputs` are columns that models will be given. Errors: BAD_USER_INPUT. */
export async function loadJudgedRows(data: JudgedData, inputs: readonly string[]): Promise<JudgedRows> {
  if (data.kind === 'ALL') {
    const rows = await readAll(data.file, inputs, data.task, data.target);
    const baseRate =
      rows.target &&
      baseRateOf(
        rows.target,
        Int32Array.from({ length: rows.rowCount }, (_, row) => row),
      );
    return { task: data.task, ...rows, baseRate, silhouetteOf: () => null };
  }
  const { config, training, other } = data;
  const task = TASK_OF[config.modelType];
  const holdout = await loadHoldout(training.path, training.format, config, other ? [] : inputs);
  const { baseRate } = holdout;
  if (!other) return { task, ...holdout, silhouetteOf: (clusters) => holdout.silhouetteOf(holdout.columns, clusters) };
  const features = task === 'CLUSTERING' ? config.features.map(({ column }) => column) : [];
  const rows = await readAll(other, [...new Set([...inputs, ...features])], task, config.target);
  const target = rows.target && holdout.target && inTermsOf(holdout.target, rows.target);
  return { task, ...rows, target, baseRate, silhouetteOf: (clusters) => holdout.silhouetteOf(rows.columns, clusters) };
}

async function readAll(file: DataFile, inputs: readonly string[], task: Task, target: TargetColumn | undefined) {
  const names = [...new Set([...inputs, ...(target ? [target.column] : [])])];
  const batch = await readColumns(file.path, file.format, { columns: names, present: target ? [target.column] : [] });
  if (batch.rowCount === 0) throw badInput('input.datasetId', 'a dataset with rows whose target is known', 'none');
  const columns = new Map(batch.columns.map((column) => [column.name, column]));
  return {
    columns,
    rowCount: batch.rowCount,
    rowNumbers: batch.rowNumbers,
    target: target && targetOf(task, target.greaterThan, columns.get(target.column)!),
  };
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
