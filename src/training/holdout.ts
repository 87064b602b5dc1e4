import { type Column, takeRows } from '../modules/model-contract/index.js';
import { taskOf, type TrainingConfig } from '../modules/algorithms/index.js';
import { encodeRows } from './encoding.js';
import { fitEncoding } from './fit-encoding.js';
import { sampledSilhouette } from './measure.js';
import type { BaseRate, Holdout, LoadHoldout, Target } from './port.js';
import { featureRequests, loadRows, type TrainingRows } from './rows.js';

const SILHOUETTE_ROWS = 2000;

export const loadHoldout: LoadHoldout = async (table, config, inputs) => {
  const isClustering = taskOf(config.algorithm) === 'CLUSTERING';
  const rows = await loadRows(table, config, {
    inputs: inputs && [...inputs, ...(isClustering ? featureRequests(config) : [])],
  });
  const { holdout } = rows.split;
  return {
    rowCount: holdout.length,
    rowNumbers: Float64Array.from(holdout, (row) => rows.rowNumbers[row]!),
    columns: new Map(Array.from(rows.columns, ([name, column]) => [name, takeRows(column, holdout)])),
    target: rows.target && targetAt(rows.target, holdout),
    baseRate: rows.target && baseRateOf(rows.target, rows.split.train),
    silhouetteOf: isClustering ? silhouetteFor(rows, config) : () => null,
  };
};

/** The base rate of these rows; weighted, when they have weights. */
export function baseRateOf(target: Target, rows: Int32Array, weights?: Float64Array): BaseRate {
  const weightOf = (row: number): number => weights?.[row] ?? 1;
  const total = rows.reduce((sum, row) => sum + weightOf(row), 0);
  if (target.kind === 'VALUES')
    return { kind: 'MEAN', mean: rows.reduce((sum, row) => sum + weightOf(row) * target.values[row]!, 0) / total };
  const counts = target.classes.map(() => 0);
  for (const row of rows) counts[target.labels[row]!]! += weightOf(row);
  return { kind: 'SHARES', shares: counts.map((count) => count / total) };
}

/** The target of these rows. */
export function targetAt(target: Target, rows: Int32Array): Target {
  if (target.kind === 'CLASSES') return { ...target, labels: rows.map((row) => target.labels[row]!) };
  return { ...target, values: Float64Array.from(rows, (row) => target.values[row]!) };
}

function silhouetteFor(rows: TrainingRows, config: TrainingConfig): Holdout['silhouetteOf'] {
  const encoding = fitEncoding(config, rows.columns, rows.split.train);
  const shape = {
    numericWidth: encoding.numericWidth,
    indicatorSlots: encoding.slots.length,
    indicatorCount: encoding.indicatorCount,
  };
  return (columns: ReadonlyMap<string, Column>, clusters) => {
    const encoded = encodeRows(encoding, columns, Int32Array.from(clusters.keys()));
    return sampledSilhouette(shape, encoded, clusters, SILHOUETTE_ROWS, config.seed);
  };
}
