import { type Column, takeRows } from '../domain/dataset-column.js';
import type { DatasetFormat } from '../domain/dataset-schema.js';
import type { TrainingConfig } from '../domain/training-config.js';
import { loadRows, type Target } from './rows.js';

/** The rows that a training never saw: in time order where the split is by time, in file order else. */
export interface Holdout {
  rowCount: number;
  /** 0-based positions in the file. */
  rowNumbers: Float64Array;
  columns: ReadonlyMap<string, Column>;
  /** As in training; `labels` and `values` are of these rows. */
  target: Target | undefined;
}

/**
 * Rebuilds the holdout of a training, with any columns of the file, so that another model can be judged by the same rows:
 * by default the config's features, else those of `columns` (a model's inputs). `toTensors` makes a model's inputs of them.
 */
export async function loadHoldout(
  dataPath: string,
  format: DatasetFormat,
  config: TrainingConfig,
  columns?: readonly string[],
): Promise<Holdout> {
  const rows = await loadRows(dataPath, format, config, columns);
  const { holdout } = rows.split;
  return {
    rowCount: holdout.length,
    rowNumbers: Float64Array.from(holdout, (row) => rows.rowNumbers[row]!),
    columns: new Map(Array.from(rows.columns, ([name, column]) => [name, takeRows(column, holdout)])),
    target: rows.target && targetAt(rows.target, holdout),
  };
}

function targetAt(target: Target, rows: Int32Array): Target {
  if (target.kind === 'CLASSES') return { ...target, labels: rows.map((row) => target.labels[row]!) };
  return { ...target, values: Float64Array.from(rows, (row) => target.values[row]!) };
}
