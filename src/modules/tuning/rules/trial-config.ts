import type { TrainingConfigInput } from '../../algorithms/index.js';
import type { Params } from './space.js';

/** The configuration of a trial's training: the base with the parameters of the trial as its hyperparameters. */
export function configOfTrial(base: TrainingConfigInput, params: Params, seed: number): TrainingConfigInput {
  return { ...base, hyperparameters: { ...base.hyperparameters, ...params }, seed };
}
