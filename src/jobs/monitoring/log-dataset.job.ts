import { LOG_DATASET, type LogDatasetService } from '../../modules/monitoring/index.js';
import { defineJob } from '../engine/define-job.js';

export const logDatasetJob = defineJob({
  ...LOG_DATASET,
  run: ({ logDatasets }: { logDatasets: LogDatasetService }, attempt) => logDatasets.execute(attempt),
});
