import { open } from 'node:fs/promises';
import path from 'node:path';
import { sampleIndices } from '../modules/statistics/index.js';
import type { TrainingConfig } from '../modules/algorithms/index.js';
import { checkAgreement } from './agreement.js';
import { fitAgain, fit, type Fitted } from './fit.js';
import { type ExportedModel, exportGraph } from './graphs/export-graph.js';
import { inputColumns } from './input-columns.js';
import { holdoutWarnings, thresholdOf } from './judgement.js';
import type { Predictions } from './learner.js';
import { measure, prefixed } from './measure.js';
import type { TrainingHooks, TrainingOutcome, TrainingRequest } from './port.js';
import { Predictor } from './predictor.js';
import { prepareProblem, type PreparedProblem } from './problem.js';
import { buildReference } from './reference.js';
import { loadRows, type TrainingRows } from './rows.js';

const AGREEMENT_ROWS = 4096;
/** Fractions of the work at which the export begins, and at which the training is repeated on all rows. */
const FITTED_SHARE = 0.95;
const FITTED_SHARE_BEFORE_REFIT = 0.55;

/** Runs a whole training in this process. Errors: BAD_USER_INPUT, INVALID_MODEL. */
export async function train(request: TrainingRequest, hooks: TrainingHooks): Promise<TrainingOutcome> {
  const { config, workDir } = request;
  hooks.onProgress(0, 'Reading the dataset');
  const rows = await loadRows(request.data, config);
  const prepared = prepareProblem(config, rows, rows.split.train, rows.split.validation);
  const { problem, encode } = prepared;
  const { shape, head, classWeights } = problem;
  const predictor = await Predictor.create(shape, head);
  const fitted = await fit(request, hooks, problem, predictor, config.refit ? FITTED_SHARE_BEFORE_REFIT : FITTED_SHARE);

  const threshold = thresholdOf(
    config,
    problem.validation,
    await predictor.predict(fitted.weights, problem.validation),
  );
  const holdout = encode(rows.split.holdout);
  const predictions = withThreshold(await predictor.predict(fitted.weights, holdout), threshold);
  const judged: Exported = { learntFrom: rows.split.train, prepared, predictor, weights: fitted.weights, threshold };
  const result = config.refit ? await refitted(config, rows, hooks, fitted, threshold) : judged;
  hooks.onProgress(0.97, 'Exporting and checking the model');
  const { model, agreementMaxAbsDiff } = await exported(config, rows, result);
  const modelPath = path.join(workDir, 'model.onnx');
  await writeSynced(modelPath, model.bytes);
  const judgedModel = config.refit ? (await exported(config, rows, judged)).model : undefined;
  const judgedPath = path.join(workDir, 'judged.onnx');
  if (judgedModel) await writeSynced(judgedPath, judgedModel.bytes);

  const { epochsRun, bestEpoch, stoppedEarly, warnings } = fitted;
  hooks.onProgress(1, 'Trained');
  return {
    modelPath,
    judged: judgedModel && { modelPath: judgedPath, signature: judgedModel.signature },
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
    warnings: [...warnings, ...holdoutWarnings(rows, holdout, predictions, classWeights)],
    rows: { train: problem.train.rows, validation: problem.validation.rows, holdout: holdout.rows },
    agreementMaxAbsDiff,
    reference: buildReference(config, rows.columns, config.refit ? allRows(rows) : rows.split.train, predictions),
  };
}

/** The parts from which a model is exported. */
interface Exported {
  /** Indexes of the training rows. */
  learntFrom: Int32Array;
  prepared: PreparedProblem;
  predictor: Predictor;
  weights: Float32Array;
  threshold: number | undefined;
}

/** The same training on all rows, for the best number of epochs of the evaluated one. */
async function refitted(
  config: TrainingConfig,
  rows: TrainingRows,
  hooks: TrainingHooks,
  { bestEpoch }: Fitted,
  threshold: number | undefined,
): Promise<Exported> {
  const learntFrom = allRows(rows);
  const prepared = prepareProblem(config, rows, learntFrom, rows.split.validation);
  const { problem } = prepared;
  const predictor = await Predictor.create(problem.shape, problem.head);
  const left = FITTED_SHARE - FITTED_SHARE_BEFORE_REFIT;
  const weights = await fitAgain(problem, predictor, hooks, bestEpoch, (share) =>
    hooks.onProgress(FITTED_SHARE_BEFORE_REFIT + left * share, 'Training once more on all rows'),
  );
  return { learntFrom, prepared, predictor, weights, threshold };
}

function allRows({ split }: TrainingRows): Int32Array {
  const all = new Int32Array(split.train.length + split.validation.length + split.holdout.length);
  all.set(split.train);
  all.set(split.validation, split.train.length);
  all.set(split.holdout, split.train.length + split.validation.length);
  return all.sort();
}

async function exported(
  config: TrainingConfig,
  rows: TrainingRows,
  { learntFrom, prepared: { problem, encoding, encode }, predictor, weights, threshold }: Exported,
): Promise<{ model: ExportedModel; agreementMaxAbsDiff: number }> {
  const { shape, head } = problem;
  const columns = inputColumns(config, rows.readings, rows.columns, learntFrom);
  const model = exportGraph({ config, columns, encoding, shape, head, weights, threshold });
  const { holdout } = rows.split;
  const checked = sampleIndices(holdout.length, AGREEMENT_ROWS, config.seed).map((i) => holdout[i]!);
  const own = withThreshold(await predictor.predict(weights, encode(checked)), threshold);
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
