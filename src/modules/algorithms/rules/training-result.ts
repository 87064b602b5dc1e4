import type { ReferenceProfile, Signature } from '../../model-contract/index.js';
import type { TrainingConfig } from './training-config.js';
import type { TrainingWarning } from './training-warnings.js';

/** What a TRAINING job leaves as its result. */
export interface TrainingResult {
  /** The trained model.onnx in the object store. */
  modelKey: string;
  /** With `refit`: the model that the holdout judged, before it was trained on all rows. */
  judgedModel?: { key: string; sha256: string; signature: Signature };
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
  /** Absent in results of earlier versions. */
  warnings?: TrainingWarning[];
  config: TrainingConfig;
}
