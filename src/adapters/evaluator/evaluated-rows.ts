import {
  type Column,
  readAs,
  type ColumnRequest,
  mergeRequests,
  takeRows,
} from '../../modules/model-contract/index.js';
import { sampleIndices } from '../../modules/statistics/index.js';
import { taskOf, type Task } from '../../modules/algorithms/index.js';
import { badInput } from '../../errors.js';
import { readColumns } from '../dataset-files/dataset-reader.js';
import { baseRateOf, loadHoldout, targetAt } from '../../training/holdout.js';
import type { BaseRate, Holdout, Target } from '../../training/port.js';
import type { Table } from '../dataset-files/port.js';
import { featureRequests, targetRequests } from '../../training/rows.js';
import { targetOf } from '../../training/target.js';
import type { EvaluationData, TargetColumn } from './port.js';

const HALF_SEED = 1;

export interface EvaluatedRows {
  task: Task;
  rowCount: number;
  /** Indexes in the file, from 0. */
  rowNumbers: Float64Array;
  columns: ReadonlyMap<string, Column>;
  /** Both are undefined for a clustering. */
  target: Target | undefined;
  baseRate: BaseRate | undefined;
  /** Mean silhouette of clusters of these rows; null without a training, which defines the distances. */
  silhouetteOf(clusters: Int32Array): number | null;
}

/** `inputs` are the columns that the models need. Errors: BAD_USER_INPUT. */
export async function loadEvaluatedRows(
  data: EvaluationData,
  inputs: readonly ColumnRequest[],
): Promise<EvaluatedRows> {
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
  const task = taskOf(config.algorithm);
  const holdout = await loadHoldout(training, config, other ? [] : inputs);
  const { baseRate } = holdout;
  if (!other && data.learntFromHalf) {
    const judged = rowsAt(holdout, learntHalf(holdout.rowCount).left);
    return { task, ...judged, baseRate, silhouetteOf: () => null };
  }
  if (!other) return { task, ...holdout, silhouetteOf: (clusters) => holdout.silhouetteOf(holdout.columns, clusters) };
  const features = task === 'CLUSTERING' ? featureRequests(config) : [];
  // The columns of another file are read as those of the training's file were.
  const alike = { ...other, columns: readAs(other.columns, training.columns) };
  const rows = await readAll(alike, [...inputs, ...features], task, config.target);
  const target = rows.target && holdout.target && inTermsOf(holdout.target, rows.target);
  return { task, ...rows, target, baseRate, silhouetteOf: (clusters) => holdout.silhouetteOf(rows.columns, clusters) };
}

/** The rows from which an ensemble learns weights or a meta-learner, and those that are left to judge it. */
export function learntHalf(rowCount: number): { learnt: Int32Array; left: Int32Array } {
  const learnt = sampleIndices(rowCount, Math.floor(rowCount / 2), HALF_SEED);
  const isLearnt = new Set(learnt);
  return { learnt, left: Int32Array.from({ length: rowCount }, (_, row) => row).filter((row) => !isLearnt.has(row)) };
}

function rowsAt({ rowNumbers, columns, target }: Holdout, rows: Int32Array) {
  return {
    rowCount: rows.length,
    rowNumbers: Float64Array.from(rows, (row) => rowNumbers[row]!),
    columns: new Map(Array.from(columns, ([name, column]) => [name, takeRows(column, rows)])),
    target: target && targetAt(target, rows),
  };
}

async function readAll(table: Table, inputs: readonly ColumnRequest[], task: Task, target: TargetColumn | undefined) {
  const requests = mergeRequests([...inputs, ...targetRequests(task, target)]);
  const batch = await readColumns(table, { columns: requests, present: target ? [target.column] : [] });
  if (batch.rowCount === 0) throw badInput('input.datasetId', 'a dataset with rows whose target is known', 'none');
  const columns = new Map(batch.columns.map((column) => [column.name, column]));
  return {
    columns,
    rowCount: batch.rowCount,
    rowNumbers: batch.rowNumbers,
    target: target && targetOf(task, target.greaterThan, columns.get(target.column)!),
  };
}

/** The classes of other rows as indices into the classes that the model was trained on. */
function inTermsOf(trained: Target, other: Target): Target {
  if (trained.kind === 'VALUES' || other.kind === 'VALUES') return other;
  const indices = other.classes.map((name) => {
    const index = trained.classes.indexOf(name);
    if (index < 0)
      throw badInput(
        'input.datasetId',
        `a dataset with the training's classes (${trained.classes.slice(0, 10).join(', ')})`,
        name,
      );
    return index;
  });
  return { ...trained, labels: other.labels.map((label) => indices[label]!) };
}
