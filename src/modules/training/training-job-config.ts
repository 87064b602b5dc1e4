import type { TrainingConfig, TrainingWarning } from '../algorithms/index.js';

/** `config` of a TRAINING job. */
export interface TrainingJobConfig {
  training: TrainingConfig;
  /** The model that a version is registered of when the training has ended well. */
  registerModelId: string | null;
  /** What was found when the training was asked for; absent in jobs of earlier versions. */
  warnings?: TrainingWarning[];
}
