import type { ReferenceProfile } from '../../domain/drift.js';
import type { Signature } from '../../domain/tensor.js';
import type { TrainingConfig } from '../../domain/training-config.js';

/** `config` of a TRAINING job. */
export interface TrainingJobConfig {
  training: TrainingConfig;
  /** The model that a version is registered of when the training has ended well. */
  registerModelId: string | null;
}

/** `result` of a TRAINING job that has succeeded. */
export interface TrainingResult {
  /** Object-store key of the trained model.onnx. */
  modelKey: string;
  sizeBytes: number;
  /** Hex. */
  sha256: string;
  signature: Signature;
  /** Final metrics by name, e.g. `holdout.log_loss`. */
  metrics: Record<string, number>;
  reference: ReferenceProfile;
  agreementMaxAbsDiff: number;
  rows: { train: number; validation: number; holdout: number };
  epochsRun: number;
  bestEpoch: number;
  stoppedEarly: boolean;
  config: TrainingConfig;
}
