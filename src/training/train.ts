import { open } from 'node:fs/promises';
import path from 'node:path';
import { sampleIndices } from '../modules/statistics/index.js';
import {
  type CrossValidation,
  type CrossValidationResult,
  isTrees,
  type TrainingConfig,
} from '../modules/algorithms/index.js';
import { checkAgreement } from './agreement.js';
import { crossValidate, type FoldPart } from './cross-validation.js';
import { fit, type Fitted, fitQuietly } from './fit.js';
import type { ExportedModel } from './graphs/export-graph.js';
import type { Head } from './graphs/heads.js';
import { inputColumns } from './input-columns.js';
import { checkLeaks } from './leak-check.js';
import { holdoutWarnings, thresholdOf } from './model-evaluation.js';
import type { Fitting, Predictions, Trained } from './learner.js';
import { measure, prefixed } from './measure.js';
import { MAIN, REFIT } from './outside/parts.js';
import { prepareFinished } from './outside/prepare-finished.js';
import type { TrainingHooks, TrainingOutcome, TrainingRequest } from './port.js';
import { prepareProblem } from './problem.js';
import { buildReference } from './reference.js';
import { loadRows, type TrainingRows } from './rows.js';
import { allRows } from './split.js';
import { prepareTrees } from './trees/prepare.js';

const AGREEMENT_ROWS = 4096;
/** Fractions of the work at which the export begins, and at which the training is repeated on all rows. */
const FITTED_SHARE = 0.95;
/** Fraction of the work of a training in blocks at which its rows are read. */
const READ_SHARE = 0.15;
const FITTED_SHARE_BEFORE_REFIT = 0.55;

/** Runs a whole training in this process. Errors: BAD_USER_INPUT, INVALID_MODEL. */
export async function train(request: TrainingRequest, given: TrainingHooks): Promise<TrainingOutcome> {
  const { config, workDir } = request;
  given.onProgress(0, 'Reading the dataset');
  const readShare = config.reading === 'BLOCKS' ? READ_SHARE : 0;
  const rows = await loadRows(request.data, config, {
    folder: workDir,
    onRead: (share, message) => given.onProgress(readShare * share, message),
  });
  const leaks = checkLeaks(config, rows);
  for (const leak of leaks) await given.onWarning(leak);
  const foldShare = config.crossValidation ? config.crossValidation.folds / (config.crossValidation.folds + 1) : 0;
  const crossValidation =
    config.crossValidation && (await foldsOf(config.crossValidation, request, rows, given, foldShare));
  // A training in blocks has no folds.
  const before = readShare + foldShare;
  const hooks: TrainingHooks = {
    ...given,
    onProgress: (fraction, message) => given.onProgress(before + (1 - before) * fraction, message),
  };
  const fitting = request.finished
    ? await prepareFinished(config, rows, request.finished, MAIN)
    : await prepare(config, rows, rows.split, hooks.onWarning);
  const fitted = await fit(request, hooks, fitting, config.refit ? FITTED_SHARE_BEFORE_REFIT : FITTED_SHARE);
  await fitting.close();

  const trained = fitting.modelOf(fitted.state);
  const threshold = config.decisionThreshold
    ? thresholdOf(config.decisionThreshold, fitting.validation, await trained.predict(rows.split.validation))
    : undefined;
  const holdout = fitting.labelled(rows.split.holdout);
  const predictions = withThreshold(await trained.predict(rows.split.holdout), threshold);
  const evaluated: Exported = { learntFrom: rows.split.train, head: fitting.head, trained, threshold };
  const result = config.refit ? await refitted(request, rows, hooks, fitted, threshold) : evaluated;
  hooks.onProgress(0.97, 'Exporting and checking the model');
  const { model, agreementMaxAbsDiff } = await exported(config, rows, result);
  const modelPath = path.join(workDir, 'model.onnx');
  await writeSynced(modelPath, model.bytes);
  const evaluatedModel = config.refit ? (await exported(config, rows, evaluated)).model : undefined;
  const evaluatedPath = path.join(workDir, 'judged.onnx');
  if (evaluatedModel) await writeSynced(evaluatedPath, evaluatedModel.bytes);

  const { shape, head, classWeights } = fitting;
  const { epochsRun, bestEpoch, stoppedEarly, warnings } = fitted;
  hooks.onProgress(1, 'Trained');
  return {
    modelPath,
    judged: evaluatedModel && { modelPath: evaluatedPath, signature: evaluatedModel.signature },
    signature: model.signature,
    metrics: {
      ...prefixed(
        'holdout',
        measure(shape, head, holdout, predictions, { detail: 'FINAL', seed: config.seed, classWeights }),
      ),
      ...(threshold !== undefined && { decision_threshold: threshold }),
      'data.rows_missing_target': rows.droppedMissingTarget,
      'data.rows_missing_time': rows.droppedMissingTime,
      ...(rows.droppedWithoutPart !== undefined && { 'data.rows_without_part': rows.droppedWithoutPart }),
    },
    epochsRun,
    bestEpoch,
    stoppedEarly,
    ...(crossValidation && { crossValidation }),
    warnings: [...leaks, ...warnings, ...holdoutWarnings(rows, head, holdout, predictions, classWeights)],
    rows: { train: fitting.trainCount, validation: fitting.validation.rows, holdout: holdout.rows },
    agreementMaxAbsDiff,
    reference: buildReference(config, rows.columns, config.refit ? allRows(rows.split) : rows.split.train, predictions),
  };
}

/** Trains and measures the folds, with the same preparation as the training itself. */
function foldsOf(
  crossValidation: CrossValidation,
  { config, finishedFolds, finished }: TrainingRequest,
  rows: TrainingRows,
  hooks: TrainingHooks,
  share: number,
): Promise<CrossValidationResult> {
  const prepareFold = ({ fold, train: learntFrom, watched, validation }: FoldPart): Promise<Fitting> =>
    finished
      ? prepareFinished(config, rows, finished, `fold-${fold}`)
      : prepare(config, rows, { train: learntFrom, validation: watched ?? validation }, hooks.onWarning);
  return crossValidate(crossValidation, { config, rows, finished: finishedFolds, prepare: prepareFold }, hooks, share);
}

/** Prepares a training here of the rows of one part. */
export function prepare(
  config: TrainingConfig,
  rows: TrainingRows,
  { train: learntFrom, validation }: { train: Int32Array; validation: Int32Array },
  warn: TrainingHooks['onWarning'],
): Promise<Fitting> {
  return isTrees(config)
    ? prepareTrees(config, rows, learntFrom, validation)
    : prepareProblem(config, rows, learntFrom, validation, warn);
}

/** The parts from which a model is exported. */
interface Exported {
  /** Indexes of the training rows. */
  learntFrom: Int32Array;
  head: Head;
  trained: Trained;
  threshold: number | undefined;
}

/** The same training on all rows, for the best number of epochs of the evaluated one. */
async function refitted(
  { config, finished }: TrainingRequest,
  rows: TrainingRows,
  hooks: TrainingHooks,
  { bestEpoch }: Fitted,
  threshold: number | undefined,
): Promise<Exported> {
  const learntFrom = allRows(rows.split);
  const parts = { train: learntFrom, validation: rows.split.validation };
  const onRead = (_: number, message: string): void => hooks.onProgress(FITTED_SHARE_BEFORE_REFIT, message);
  const refitRows = rows.stream ? { ...rows, stream: rows.stream.all(onRead) } : rows;
  const fitting = finished
    ? await prepareFinished(config, rows, finished, REFIT)
    : await prepare(config, refitRows, parts, hooks.onWarning);
  const left = FITTED_SHARE - FITTED_SHARE_BEFORE_REFIT;
  const state = await fitQuietly(fitting, bestEpoch, false, (share) =>
    hooks.onProgress(FITTED_SHARE_BEFORE_REFIT + left * share, 'Training once more on all rows'),
  );
  await fitting.close();
  return { learntFrom, head: fitting.head, trained: fitting.modelOf(state), threshold };
}

async function exported(
  config: TrainingConfig,
  rows: TrainingRows,
  { learntFrom, head, trained, threshold }: Exported,
): Promise<{ model: ExportedModel; agreementMaxAbsDiff: number }> {
  const model = trained.export(inputColumns(config, rows.readings, rows.columns, learntFrom), threshold);
  const { holdout } = rows.split;
  const checked = sampleIndices(holdout.length, AGREEMENT_ROWS, config.seed).map((i) => holdout[i]!);
  const own = withThreshold(await trained.predict(checked), threshold);
  return { model, agreementMaxAbsDiff: await checkAgreement(model, rows.columns, checked, own, head) };
}

function withThreshold(predictions: Predictions, threshold: number | undefined): Predictions {
  return predictions.kind === 'CLASSES' ? { ...predictions, threshold } : predictions;
}

async function writeSynced(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
