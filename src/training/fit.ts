import { rm } from 'node:fs/promises';
import path from 'node:path';
import { sampleIndices } from '../modules/statistics/index.js';
import { isNetwork, curveWarnings, trackLoss, type TrainingWarning } from '../modules/algorithms/index.js';
import { readCheckpoint, type TrainingState, writeCheckpoint } from './checkpoint.js';
import { gradientLearner } from './gradient-learner.js';
import type { NetworkShape } from './graphs/network.js';
import { kmeansLearner } from './kmeans-learner.js';
import { fingerprintOf, type LabelledRows, type Learner, type TrainingProblem } from './learner.js';
import { measure, prefixed } from './measure.js';
import type { TrainingHooks, TrainingRequest } from './port.js';
import type { Predictor } from './predictor.js';
import { solverLearner } from './solver-learner.js';

/** Training rows whose metrics are computed in every epoch. */
const TRAIN_SAMPLE_ROWS = 20_000;
/** Checkpoints that stay in the folder: the newest, and one more in case it is damaged. */
const KEPT_CHECKPOINTS = 2;

export interface Fitted {
  weights: Float32Array;
  epochsRun: number;
  bestEpoch: number;
  stoppedEarly: boolean;
  warnings: TrainingWarning[];
}

/**
 * Runs epochs until the last, or until early stopping; continues from a checkpoint if the request names one. `share` is
 * its fraction of the whole work.
 */
export async function fit(
  request: TrainingRequest,
  hooks: TrainingHooks,
  problem: TrainingProblem,
  predictor: Predictor,
  share: number,
): Promise<Fitted> {
  const { config, shape, head } = problem;
  const learner = await learnerFor(problem, predictor, hooks);
  const epochs = Math.min(learner.maxEpochs ?? Infinity, config.hyperparameters.epochs);
  const fingerprint = fingerprintOf(problem);
  const state =
    request.resumeFromPath === undefined
      ? learner.initialState()
      : await readCheckpoint(request.resumeFromPath, fingerprint);
  const trainSample = sampleOf(problem.train, shape, config.seed);
  const written: string[] = [];
  while (state.epoch < epochs && !state.finished) {
    const current = state.epoch + 1;
    const message = `Epoch ${current} of ${epochs}`;
    const trained = await learner.runEpoch(state, (done) =>
      hooks.onProgress((share * (current - 1 + done)) / epochs, message),
    );
    const weights = state.vectors.weights!;
    const options = { detail: 'EPOCH', seed: config.seed, classWeights: problem.classWeights } as const;
    const onTrain = measure(shape, head, trainSample, await predictor.predict(weights, trainSample), options);
    const onValidation = measure(
      shape,
      head,
      problem.validation,
      await predictor.predict(weights, problem.validation),
      options,
    );
    if (head.kind !== 'CLUSTERS') trackBest(problem, state, onValidation.loss ?? Infinity);
    state.curve = trackLoss(state.curve, current, epochs, onValidation.loss ?? Infinity);
    hooks.onProgress((share * current) / epochs, message);
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
  return {
    weights: state.vectors.best ?? state.vectors.weights!,
    epochsRun: state.epoch,
    bestEpoch: state.vectors.best ? state.bestEpoch : state.epoch,
    stoppedEarly: finished && state.epoch < epochs,
    warnings: curve ? curveWarnings({ curve, ...facts }) : [],
  };
}

/** Fits again on other rows, for `epochs` epochs (a solver or k-means: until convergence). Returns the weights. */
export async function fitAgain(
  problem: TrainingProblem,
  predictor: Predictor,
  hooks: TrainingHooks,
  epochs: number,
  report: (share: number) => void,
): Promise<Float32Array> {
  const learner = await learnerFor(problem, predictor, hooks);
  const most = learner.converges
    ? Math.min(learner.maxEpochs ?? Infinity, problem.config.hyperparameters.epochs)
    : epochs;
  const state = learner.initialState();
  while (state.epoch < most && !state.finished) {
    const done = state.epoch;
    await learner.runEpoch(state, (share) => report((done + share) / most));
    report(state.epoch / most);
  }
  return state.vectors.weights!;
}

async function learnerFor(problem: TrainingProblem, predictor: Predictor, hooks: TrainingHooks): Promise<Learner> {
  const { modelType, hyperparameters } = problem.config;
  if (problem.head.kind === 'CLUSTERS') return kmeansLearner(problem, predictor);
  return isNetwork(modelType) || hyperparameters.optimizer === 'ADAM'
    ? gradientLearner(problem, hooks.onWarning)
    : solverLearner(problem);
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

function sampleOf(
  rows: LabelledRows,
  { numericWidth: width, indicatorSlots: slots }: NetworkShape,
  seed: number,
): LabelledRows {
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
    return {
      rows: chosen.length,
      numeric,
      indicators,
      truth: { ...truth, labels: chosen.map((row) => truth.labels[row]!) },
    };
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
