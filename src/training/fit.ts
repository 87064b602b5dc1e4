import { rm } from 'node:fs/promises';
import path from 'node:path';
import { curveWarnings, trackLoss, type TrainingWarning } from '../modules/algorithms/index.js';
import { readCheckpoint, type TrainingState, writeCheckpoint } from './checkpoint.js';
import type { Fitting } from './learner.js';
import { measure, prefixed } from './measure.js';
import type { TrainingHooks, TrainingRequest } from './port.js';

/** Checkpoints that stay in the folder: the newest, and one more in case it is damaged. */
const KEPT_CHECKPOINTS = 2;

export interface Fitted {
  /** `Fitting.modelOf` gives its best model. */
  state: TrainingState;
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
  fitting: Fitting,
  share: number,
): Promise<Fitted> {
  const { config, shape, head, learner, trainSample, validation, classWeights } = fitting;
  const epochs = Math.min(learner.maxEpochs ?? Infinity, config.hyperparameters.epochs);
  const fingerprint = fitting.fingerprint();
  const state =
    request.resumeFromPath === undefined
      ? learner.initialState()
      : await readCheckpoint(request.resumeFromPath, fingerprint);
  const written: string[] = [];
  while (state.epoch < epochs && !state.finished) {
    const current = state.epoch + 1;
    const message = `Epoch ${current} of ${epochs}`;
    const trained = await learner.runEpoch(state, (done) =>
      hooks.onProgress((share * (current - 1 + done)) / epochs, message),
    );
    const shown = await fitting.predictShown(state);
    const options = { detail: 'EPOCH', seed: config.seed, classWeights } as const;
    const onTrain = measure(shape, head, trainSample, shown.train, options);
    const onValidation = measure(shape, head, validation, shown.validation, options);
    if (head.kind !== 'CLUSTERS') trackBest(fitting, state, onValidation.loss ?? Infinity);
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
    state,
    epochsRun: state.epoch,
    bestEpoch: state.bestEpoch > 0 ? state.bestEpoch : state.epoch,
    stoppedEarly: finished && state.epoch < epochs,
    warnings: curve ? curveWarnings({ curve, ...facts }) : [],
  };
}

/**
 * Fits without epoch reports and checkpoints, for `epochs` epochs (a solver or k-means: until convergence). `watch`:
 * early stopping by the validation rows.
 */
export async function fitQuietly(
  fitting: Fitting,
  epochs: number,
  watch: boolean,
  report: (share: number) => void,
): Promise<TrainingState> {
  const { config, learner, shape, head, validation, classWeights } = fitting;
  const options = { detail: 'EPOCH', seed: config.seed, classWeights } as const;
  const most = learner.converges ? Math.min(learner.maxEpochs ?? Infinity, config.hyperparameters.epochs) : epochs;
  const state = learner.initialState();
  while (state.epoch < most && !state.finished) {
    const done = state.epoch;
    await learner.runEpoch(state, (share) => report((done + share) / most));
    if (watch && config.earlyStopping && head.kind !== 'CLUSTERS') {
      const shown = await fitting.predictShown(state);
      trackBest(fitting, state, measure(shape, head, validation, shown.validation, options).loss ?? Infinity);
    }
    report(state.epoch / most);
  }
  return state;
}

function trackBest(fitting: Fitting, state: TrainingState, loss: number): void {
  const { earlyStopping } = fitting.config;
  if (!earlyStopping) return;
  if (loss < (state.bestLoss ?? Infinity) - earlyStopping.minDelta) {
    state.bestLoss = loss;
    state.bestEpoch = state.epoch;
    state.epochsSinceBest = 0;
    fitting.keepBest(state);
  } else {
    state.epochsSinceBest += 1;
    state.finished = state.epochsSinceBest >= earlyStopping.patience;
  }
}
