import {
  type CrossValidation,
  type CrossValidationResult,
  type FoldResult,
  isKMeans,
  MIN_TRAINING_ROWS,
  type TrainingConfig,
} from '../modules/algorithms/index.js';
import { badInput } from '../errors.js';
import { fitQuietly } from './fit.js';
import { makeFolds, watchedRows } from './folds.js';
import type { Fitting, Predictions } from './learner.js';
import { measure } from './measure.js';
import { thresholdOf } from './model-evaluation.js';
import type { Target, TrainingHooks } from './port.js';
import type { TrainingRows } from './rows.js';
import { mergeRows } from './split.js';

const FIELD = 'config.crossValidation';

export interface FoldWork {
  config: TrainingConfig;
  rows: TrainingRows;
  /** Folds of earlier attempts, which are not done again. */
  finished?: readonly FoldResult[] | undefined;
  prepare(part: FoldPart): Promise<Fitting>;
}

/** The rows of one fold. */
export interface FoldPart {
  /** Counts from 1. */
  fold: number;
  train: Int32Array;
  /** Rows that watch the learning; absent when nothing needs them. */
  watched: Int32Array | undefined;
  /** The measured rows. */
  validation: Int32Array;
}

/** Divides the rows outside the holdout. `leftOut`: rows in no fold. Errors: BAD_USER_INPUT, which names the field. */
export function foldParts(
  crossValidation: CrossValidation,
  config: TrainingConfig,
  { split, foldColumn: column, target }: TrainingRows,
): { parts: FoldPart[]; leftOut: number } {
  const divided = mergeRows(split.train, split.validation);
  const { folds, leftOut } = makeFolds(crossValidation, { rows: divided, column, target }, config.seed);
  const watchShare = split.validation.length / divided.length;
  const parts = folds.map(({ train: others, validation }, i) => {
    const { train, watched } = watches(config)
      ? watchedRows(crossValidation.by, others, column, watchShare, config.seed)
      : { train: others, watched: undefined };
    checkFold(config, target, i + 1, train, watched);
    return { fold: i + 1, train, watched, validation };
  });
  return { parts, leftOut };
}

/**
 * Trains and measures one model per fold, of the rows outside the holdout. `share` is its fraction of the whole work.
 * Errors: BAD_USER_INPUT, which names the field.
 */
export async function crossValidate(
  crossValidation: CrossValidation,
  work: FoldWork,
  hooks: Pick<TrainingHooks, 'onProgress' | 'onFold'>,
  share: number,
): Promise<CrossValidationResult> {
  const { config, rows } = work;
  const { parts, leftOut } = foldParts(crossValidation, config, rows);
  const results = (work.finished ?? []).slice(0, parts.length);
  for (const [i, part] of parts.entries()) {
    if (i < results.length) continue;
    const report = (done: number, message: string): void =>
      hooks.onProgress((share * (i + done)) / parts.length, `Fold ${i + 1} of ${parts.length}: ${message}`);
    const result = await foldResult(work, part, report);
    results.push(result);
    await hooks.onFold(result);
  }
  return { by: crossValidation.by, folds: results, leftOut };
}

/** Whether rows of a fold must watch the learning, so that the measured ones take no part in it. */
function watches({ earlyStopping, decisionThreshold }: TrainingConfig): boolean {
  return earlyStopping !== undefined || (decisionThreshold !== undefined && decisionThreshold.by !== 'FIXED');
}

function checkFold(
  config: TrainingConfig,
  target: Target | undefined,
  fold: number,
  train: Int32Array,
  watched: Int32Array | undefined,
): void {
  if (watched?.length === 0)
    throw badInput(
      `${FIELD}.folds`,
      'a group more than folds, because early stopping or the decision threshold needs a group of its own',
      `one group to learn from in fold ${fold}`,
    );
  if (train.length < MIN_TRAINING_ROWS)
    throw badInput(
      `${FIELD}.folds`,
      `at least ${MIN_TRAINING_ROWS} training rows in each fold`,
      `${train.length} in fold ${fold}`,
    );
  if (isKMeans(config) && config.hyperparameters.clusters > train.length)
    throw badInput(
      'config.hyperparameters.clusters',
      `at most the ${train.length} training rows of fold ${fold}`,
      config.hyperparameters.clusters,
    );
  if (!target) return;
  const values: ArrayLike<number> = target.kind === 'VALUES' ? target.values : target.labels;
  if (train.every((row) => values[row] === values[train[0]!])) {
    const only = target.kind === 'VALUES' ? values[train[0]!]! : target.classes[values[train[0]!]!];
    throw badInput(
      FIELD,
      'folds whose training rows have different values of the target (STRATIFIED has, for classes)',
      `always ${only} in fold ${fold}`,
    );
  }
}

async function foldResult(
  { config, prepare }: FoldWork,
  part: FoldPart,
  report: (done: number, message: string) => void,
): Promise<FoldResult> {
  const { fold, train, watched, validation } = part;
  report(0, 'preparing');
  const fitting = await prepare(part);
  try {
    const { epochs } = config.hyperparameters;
    const state = await fitQuietly(fitting, epochs, watched !== undefined, (done) => report(done, 'learning'));
    const { shape, head, classWeights } = fitting;
    const trained = fitting.modelOf(state);
    const threshold =
      config.decisionThreshold &&
      thresholdOf(config.decisionThreshold, fitting.validation, await trained.predict(watched ?? validation));
    const predicted = await trained.predict(validation);
    const predictions: Predictions = predicted.kind === 'CLASSES' ? { ...predicted, threshold } : predicted;
    const options = { detail: 'FINAL', seed: config.seed, classWeights } as const;
    return {
      fold,
      rows: { train: train.length, watched: watched?.length ?? 0, validation: validation.length },
      metrics: measure(shape, head, fitting.labelled(validation), predictions, options),
    };
  } finally {
    await fitting.close();
  }
}
