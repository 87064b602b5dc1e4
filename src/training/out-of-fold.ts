import type { Table } from '../adapters/dataset-files/port.js';
import type { CrossValidation, TrainingConfig } from '../modules/algorithms/index.js';
import { foldParts } from './cross-validation.js';
import { fitQuietly } from './fit.js';
import { targetAt } from './holdout.js';
import type { Target } from './port.js';
import { loadRows } from './rows.js';
import { prepare } from './train.js';

/** Answers for rows outside the holdout, each by a model that has not learnt from the row. */
export interface OutOfFold {
  /** Indexes in the file, from 0. */
  rowNumbers: Float64Array;
  target: Target;
  /** Of classes: rows × classes; of values: one of each row. */
  answers: Float32Array | Float64Array;
}

/**
 * Trains the configuration once for each fold. Rows that no fold measures (by TIME, the earliest) are left out. `seed`
 * divides the rows, so that configurations with other seeds have the same folds. Errors: BAD_USER_INPUT.
 */
export async function outOfFold(
  table: Table,
  given: TrainingConfig,
  folds: CrossValidation & { seed: number },
  onProgress: (share: number, message: string) => void,
): Promise<OutOfFold> {
  const { seed, ...crossValidation } = folds;
  const config = { ...given, crossValidation, refit: false };
  const rows = await loadRows(table, config);
  const { target } = rows;
  if (!target) throw new Error('Answers out of fold need a target.');
  const { parts } = foldParts(crossValidation, { ...config, seed }, rows);
  const width = target.kind === 'CLASSES' ? target.classes.length : 1;
  const answerOf = new Map<number, ArrayLike<number>>();
  for (const [i, { train, watched, validation }] of parts.entries()) {
    const fitting = await prepare(config, rows, { train, validation: watched ?? validation }, () => Promise.resolve());
    try {
      const state = await fitQuietly(fitting, config.hyperparameters.epochs, watched !== undefined, (share) =>
        onProgress((i + share) / parts.length, `fold ${i + 1} of ${parts.length}`),
      );
      const predicted = await fitting.modelOf(state).predict(validation);
      if (predicted.kind === 'CLUSTERS') throw new Error('Clusters are no answers out of fold.');
      const all = predicted.kind === 'CLASSES' ? predicted.probabilities : predicted.values;
      for (const [at, row] of validation.entries()) answerOf.set(row, all.subarray(at * width, (at + 1) * width));
    } finally {
      await fitting.close();
    }
  }
  const answered = Int32Array.from(answerOf.keys()).sort();
  const size = answered.length * width;
  const answers = target.kind === 'CLASSES' ? new Float32Array(size) : new Float64Array(size);
  for (const [at, row] of answered.entries()) answers.set(answerOf.get(row)!, at * width);
  return {
    rowNumbers: Float64Array.from(answered, (row) => rows.rowNumbers[row]!),
    target: targetAt(target, answered),
    answers,
  };
}
