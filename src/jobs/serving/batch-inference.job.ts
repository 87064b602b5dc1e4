import { type BatchInferenceService, BATCH_INFERENCE } from '../../modules/serving/index.js';
import { defineJob } from '../engine/define-job.js';

export const batchInferenceJob = defineJob({
  ...BATCH_INFERENCE,
  run: ({ batchInference }: { batchInference: BatchInferenceService }, attempt) => batchInference.execute(attempt),
});
