import type { TrainingConfig } from '../../domain/training/training-config.js';

/** `config` of a TRAINING job. */
export interface TrainingJobConfig {
  training: TrainingConfig;
  /** The model that a version is registered of when the training has ended well. */
  registerModelId: string | null;
}
