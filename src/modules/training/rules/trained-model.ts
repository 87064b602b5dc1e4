import { z } from 'zod';
import { trainingConfigSchema } from '../../algorithms/index.js';
import { finiteOrNull, recordOf } from '../../core/index.js';
import { referenceProfileSchema, signatureSchema } from '../../model-contract/index.js';

/** The model that a training has produced, as its row has it. An earlier or later release may have written the row. */
export const trainedModelSchema = z.object({
  /** The dataset that it was trained on. */
  datasetId: z.guid(),
  format: z.literal('ONNX'),
  files: z.object({
    /** The model.onnx in the object store. */
    model: z.object({ key: z.string(), sizeBytes: z.int(), sha256: z.string() }),
    /** With `refit`: the model that was evaluated on the holdout, before the training on all rows. */
    judged: z.object({ key: z.string(), sha256: z.string(), signature: signatureSchema }).optional(),
  }),
  signature: signatureSchema,
  /** Final metrics by name, e.g. `holdout.log_loss`. */
  metrics: recordOf(finiteOrNull),
  /** The reference profile, against which drift is measured. */
  reference: referenceProfileSchema,
  /** The largest difference between the outputs of the trainer and of the runtime. */
  agreementMaxAbsDiff: finiteOrNull,
  rowCounts: z.object({ train: z.int(), validation: z.int(), holdout: z.int() }),
  config: trainingConfigSchema,
});
export type StoredTrainedModel = z.input<typeof trainedModelSchema>;
export type TrainedModel = z.output<typeof trainedModelSchema>;
