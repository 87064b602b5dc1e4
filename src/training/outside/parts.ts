import type { TrainingConfig } from '../../modules/algorithms/index.js';
import { foldParts } from '../cross-validation.js';
import type { TrainingRows } from '../rows.js';
import { allRows } from '../split.js';

/** One model that the work outside trains, with the rows for which it stores predictions. */
export interface OutsidePart {
  /** `fold-1` and so on; `main` is the training itself, and `refit` the same once more on all rows. */
  name: string;
  train: Int32Array;
  /** They watch the learning when `watches`. */
  validation: Int32Array;
  holdout: Int32Array;
  /** Whether early stopping may end it. */
  watches: boolean;
}

export const MAIN = 'main';
export const REFIT = 'refit';

/** What the training of a configuration trains, in this order. The same rows always give the same parts. */
export function outsideParts(config: TrainingConfig, rows: TrainingRows): OutsidePart[] {
  const folds = config.crossValidation ? foldParts(config.crossValidation, config, rows).parts : [];
  return [
    ...folds.map(({ fold, train, watched, validation }) => ({
      ...{ name: `fold-${fold}`, train, validation: watched ?? validation, holdout: validation },
      watches: watched !== undefined,
    })),
    { ...rows.split, name: MAIN, watches: true },
    ...(config.refit ? [{ ...rows.split, name: REFIT, train: allRows(rows.split), watches: false }] : []),
  ];
}
