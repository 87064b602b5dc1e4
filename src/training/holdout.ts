import { takeRows } from '../domain/dataset-column.js';
import type { LoadHoldout, Target } from './port.js';
import { loadRows } from './rows.js';

export const loadHoldout: LoadHoldout = async (dataPath, format, config, columns) => {
  const rows = await loadRows(dataPath, format, config, columns);
  const { holdout } = rows.split;
  return {
    rowCount: holdout.length,
    rowNumbers: Float64Array.from(holdout, (row) => rows.rowNumbers[row]!),
    columns: new Map(Array.from(rows.columns, ([name, column]) => [name, takeRows(column, holdout)])),
    target: rows.target && targetAt(rows.target, holdout),
  };
};

function targetAt(target: Target, rows: Int32Array): Target {
  if (target.kind === 'CLASSES') return { ...target, labels: rows.map((row) => target.labels[row]!) };
  return { ...target, values: Float64Array.from(rows, (row) => target.values[row]!) };
}
