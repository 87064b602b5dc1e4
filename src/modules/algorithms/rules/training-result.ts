import { z } from 'zod';
import { finiteOrNull, recordOf } from '../../core/index.js';
import { signatureSchema } from '../../model-contract/index.js';
import { crossValidationResultSchema } from './cross-validation.js';
import { trainingConfigSchema } from './training-config.js';
import { trainingWarningSchema } from './training-warnings.js';

/** The result of a TRAINING job. */
export const trainingResultSchema = z.object({
  /** The trained model.onnx in the object store. */
  modelKey: z.string(),
  /** With `refit`: the model that was evaluated on the holdout, before the training on all rows. */
  judgedModel: z.object({ key: z.string(), sha256: z.string(), signature: signatureSchema }).optional(),
  sizeBytes: z.int(),
  /** Hexadecimal digits. */
  sha256: z.string(),
  signature: signatureSchema,
  /** Final metrics by name, e.g. `holdout.log_loss`. */
  metrics: recordOf(finiteOrNull),
  agreementMaxAbsDiff: finiteOrNull,
  rows: z.object({ train: z.int(), validation: z.int(), holdout: z.int() }),
  epochsRun: z.int(),
  crossValidation: crossValidationResultSchema.optional(),
  bestEpoch: z.int(),
  stoppedEarly: z.boolean(),
  /** Absent in results of earlier releases. */
  warnings: z.array(trainingWarningSchema).optional(),
  config: trainingConfigSchema,
});
