import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import { confusionMatrix, logLossRows, mean, regressionMetrics } from '../domain/statistics/metrics.js';
import { sampleIndices } from '../domain/statistics/random.js';
import {
  baseRateWarning,
  curveWarnings,
  rareClassWarnings,
  trackLoss,
  type TrainingWarning,
} from '../domain/training/training-warnings.js';
import { isNetwork } from '../domain/training/training-config.js';
import { readCheckpoint, type TrainingState, writeCheckpoint } from './checkpoint.js';
import { checkAgreement } from './agreement.js';
import { encodeRows, type Encoding } from './encoding.js';
import { fitEncoding } from './fit-encoding.js';
import { gradientLearner } from './gradient-learner.js';
import { exportGraph } from './graphs/export-graph.js';
import type { Head } from './graphs/heads.js';
import type { NetworkShape } from './graphs/network.js';
import { baseRateOf } from './holdout.js';
import { inputColumns } from './input-columns.js';
import { kmeansLearner } from './kmeans-learner.js';
import { fingerprintOf, type LabelledRows, type Learner, type Predictions, type TrainingProblem } from './learner.js';
import { measure, prefixed } from './measure.js';
import type { Target, TrainingHooks, TrainingOutcome, TrainingRequest } from './port.js';
import { Predictor } from './predictor.js';
import { buildReference } from './reference.js';
import { loadRows, type TrainingRows } from './rows.js';
import { solverLearner } from './solver-learner.js';

/** Training rows whose metrics every epoch shows. */
const TRAIN_SAMPLE_ROWS = 20_000;
const AGREEMENT_ROWS = 4096;
/** Checkpoints that stay in the folder: the newest, and one to fall back on. */
const KEPT_CHECKPOINTS = 2;

/** A whole training, in this process. Errors: BAD_USER_INPUT, INVALID_MODEL. */
export async function train(request: TrainingRequest, hooks: TrainingHooks): Promise<TrainingOutcome> {
  const { config } = request;
  hooks.onProgress(0, 'Reading the dataset');
  const rows = await loadRows(request.dataPath, request.dataFormat, config);
  const encoding = fitEncoding(config, rows.columns, rows.split.train);
  const head = headOf(rows);
  const shape = shapeOf(request, encoding, head);
  const encode = (positions: Int32Array): LabelledRows => ({
    ...encodeRows(encoding, rows.columns, positions),
    truth: truthOf(rows.target, positions),
  });
  const problem: TrainingProblem = {
    config,
    shape,
    head,
    train: encode(rows.split.train),
    validation: encode(rows.split.validation),
    unseenIndicators: [],
  };
  problem.unseenIndicators = unseenIndicators(problem);

  const predictor = await Predictor.create(shape, head);
  const { state, stoppedEarly, warnings } = await fit(request, hooks, problem, predictor);
  const weights = state.vectors.best ?? state.vectors.weights!;

  hooks.onProgress(0.97, 'Exporting and checking the model');
  const holdout = encode(rows.split.holdout);
  const predictions = await predictor.predict(weights, holdout);
  const columns = inputColumns(config, rows.columns, rows.split.train);
  const model = exportGraph({ config, columns, encoding, shape, head, weights });
  const checked = sampleIndices(holdout.rows, AGREEMENT_ROWS, config.seed).map((i) => rows.split.holdout[i]!);
  const agreementMaxAbsDiff = await checkAgreement(model, rows.columns, checked, await predictor.predict(weights, encode(checked)), head);
  const modelPath = path.join(request.workDir, 'model.onnx');
  await writeSynced(modelPath, model.bytes);
  const metrics = {
    ...prefixed('holdout', measure(shape, head, holdout, predictions, { detail: 'FINAL', seed: config.seed })),
    'data.rows_missing_target': rows.droppedMissingTarget,
    'data.rows_missing_time': rows.droppedMissingTime,
  };
  hooks.onProgress(1, 'Trained');
  return {
    modelPath,
    signature: model.signature,
    metrics,
    epochsRun: state.epoch,
    bestEpoch: state.vectors.best ? state.bestEpoch : state.epoch,
    stoppedEarly,
    warnings: [...warnings, ...holdoutWarnings(rows, holdout, predictions)],
    rows: { train: problem.train.rows, validation: problem.validation.rows, holdout: holdout.rows },
    agreementMaxAbsDiff,
    reference: buildReference(config, rows.columns, rows.split.train, predictions),
  };
}

interface Fitted {
  state: TrainingState;
  stoppedEarly: boolean;
  warnings: TrainingWarning[];
}

/** Epochs until the last, or until early stopping; from a checkpoint if the request names one. */
async function fit(request: TrainingRequest, hooks: TrainingHooks, problem: TrainingProblem, predictor: Predictor): Promise<Fitted> {
  const { config, shape, head } = problem;
  const learner = await learnerFor(problem, predictor, hooks);
  const epochs = Math.min(learner.maxEpochs ?? Infinity, config.hyperparameters.epochs);
  const fingerprint = fingerprintOf(problem);
  const state = request.resumeFromPath === undefined ? learner.initialState() : await readCheckpoint(request.resumeFromPath, fingerprint);
  const trainSample = sampleOf(problem.train, shape, config.seed);
  const written: string[] = [];
  while (state.epoch < epochs && !state.finished) {
    const current = state.epoch + 1;
    const message = `Epoch ${current} of ${epochs}`;
    const trained = await learner.runEpoch(state, (share) => hooks.onProgress((0.95 * (current - 1 + share)) / epochs, message));
    const weights = state.vectors.weights!;
    const options = { detail: 'EPOCH', seed: config.seed } as const;
    const onTrain = measure(shape, head, trainSample, await predictor.predict(weights, trainSample), options);
    const onValidation = measure(shape, head, problem.validation, await predictor.predict(weights, problem.validation), options);
    if (head.kind !== 'CLUSTERS') trackBest(problem, state, onValidation.loss ?? Infinity);
    state.curve = trackLoss(state.curve, current, epochs, onValidation.loss ?? Infinity);
    hooks.onProgress((0.95 * current) / epochs, message);
    await hooks.onEpoch({
      epoch: current,
      epochs,
      metrics: { ...prefixed('train', onTrain), ...trained, ...prefixed('validation', onValidation) },
    });
    if (current % config.checkpointEveryEpochs === 0 || current === epochs || state.finished) {
      const file = path.join(request.workDir, `checkpoint-${current}.bin`);
      await hooks.onCheckpoint({ epoch: current, path: file, ...(await writeCheckpoint(file, fingerprint, state)) });
      written.push(file);
      if (written.length > KEPT_CHECKPOINTS) await rm(written.shift()!, { force: true });
    }
  }
  const { curve, finished } = state;
  const facts = { epochs, finished, converges: learner.converges, keepsBest: config.earlyStopping !== undefined };
  return { state, stoppedEarly: finished && state.epoch < epochs, warnings: curve ? curveWarnings({ curve, ...facts }) : [] };
}

async function learnerFor(problem: TrainingProblem, predictor: Predictor, hooks: TrainingHooks): Promise<Learner> {
  const { modelType, hyperparameters } = problem.config;
  if (problem.head.kind === 'CLUSTERS') return kmeansLearner(problem, predictor);
  return isNetwork(modelType) || hyperparameters.optimizer === 'ADAM' ? gradientLearner(problem, hooks.onWarning) : solverLearner(problem);
}

/** What the holdout says of a model that should not be taken for a success. */
function holdoutWarnings({ target, split }: TrainingRows, holdout: LabelledRows, predictions: Predictions): TrainingWarning[] {
  const { truth, rows } = holdout;
  if (!target) return [];
  const baseRate = baseRateOf(target, split.train);
  if (baseRate.kind === 'MEAN' && truth.kind === 'VALUE' && predictions.kind === 'VALUE') {
    const own = regressionMetrics({ actual: truth.values, predicted: predictions.values }).rmse;
    const known = regressionMetrics({ actual: truth.values, predicted: new Float64Array(rows).fill(baseRate.mean) }).rmse;
    return own === null || known === null ? [] : baseRateWarning('rmse', own, known);
  }
  if (baseRate.kind !== 'SHARES' || truth.kind !== 'CLASSES' || predictions.kind !== 'CLASSES' || target.kind !== 'CLASSES') return [];
  const { labels } = truth;
  const { probabilities, classCount } = predictions;
  const shares = Float32Array.from({ length: rows * classCount }, (_, i) => baseRate.shares[i % classCount]!);
  const lossOf = (of: Float32Array): number => mean(logLossRows({ labels, probabilities: of, classCount }));
  return [
    ...baseRateWarning('log_loss', lossOf(probabilities), lossOf(shares)),
    ...rareClassWarnings(target.classes, confusionMatrix({ labels, probabilities, classCount })),
  ];
}

function trackBest({ config: { earlyStopping } }: TrainingProblem, state: TrainingState, loss: number): void {
  if (!earlyStopping) return;
  if (loss < (state.bestLoss ?? Infinity) - earlyStopping.minDelta) {
    state.bestLoss = loss;
    state.bestEpoch = state.epoch;
    state.epochsSinceBest = 0;
    state.vectors.best = state.vectors.weights!;
  } else {
    state.epochsSinceBest += 1;
    state.finished = state.epochsSinceBest >= earlyStopping.patience;
  }
}

function headOf({ target, split }: TrainingRows): Head {
  if (!target) return { kind: 'CLUSTERS' };
  if (target.kind === 'CLASSES') return { kind: 'CLASSES', classes: target.classes, datatype: target.datatype };
  const mean = split.train.reduce((sum, row) => sum + target.values[row]!, 0) / split.train.length;
  const squares = split.train.reduce((sum, row) => sum + (target.values[row]! - mean) ** 2, 0);
  return { kind: 'VALUE', mean, std: Math.sqrt(squares / split.train.length) };
}

function shapeOf({ config: { modelType, hyperparameters } }: TrainingRequest, encoding: Encoding, head: Head): NetworkShape {
  const layered = modelType === 'MLP_CLASSIFIER' || modelType === 'MLP_REGRESSOR';
  const outputs = { CLASSES: head.kind === 'CLASSES' ? head.classes.length : 0, VALUE: 1, CLUSTERS: hyperparameters.clusters }[head.kind];
  return {
    numericWidth: encoding.numericWidth,
    indicatorSlots: encoding.slots.length,
    indicatorCount: encoding.indicatorCount,
    hiddenLayers: layered ? hyperparameters.hiddenLayers : [],
    outputs,
  };
}

function truthOf(target: Target | undefined, positions: Int32Array): LabelledRows['truth'] {
  if (!target) return { kind: 'NONE' };
  if (target.kind === 'CLASSES') return { kind: 'CLASSES', labels: positions.map((row) => target.labels[row]!) };
  return { kind: 'VALUE', values: Float64Array.from(positions, (row) => target.values[row]!) };
}

function unseenIndicators({ shape, train: { indicators } }: TrainingProblem): number[] {
  const seen = new Uint8Array(shape.indicatorCount);
  for (const indicator of indicators) seen[indicator] = 1;
  return Array.from(seen.keys()).filter((indicator) => seen[indicator] === 0);
}

function sampleOf(rows: LabelledRows, { numericWidth: width, indicatorSlots: slots }: NetworkShape, seed: number): LabelledRows {
  if (rows.rows <= TRAIN_SAMPLE_ROWS) return rows;
  const chosen = sampleIndices(rows.rows, TRAIN_SAMPLE_ROWS, seed);
  const numeric = new Float32Array(chosen.length * width);
  const indicators = new Int32Array(chosen.length * slots);
  chosen.forEach((row, i) => {
    numeric.set(rows.numeric.subarray(row * width, (row + 1) * width), i * width);
    indicators.set(rows.indicators.subarray(row * slots, (row + 1) * slots), i * slots);
  });
  const { truth } = rows;
  if (truth.kind === 'CLASSES')
    return { rows: chosen.length, numeric, indicators, truth: { ...truth, labels: chosen.map((row) => truth.labels[row]!) } };
  if (truth.kind === 'VALUE') {
    return {
      rows: chosen.length,
      numeric,
      indicators,
      truth: { ...truth, values: Float64Array.from(chosen, (row) => truth.values[row]!) },
    };
  }
  return { rows: chosen.length, numeric, indicators, truth };
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
