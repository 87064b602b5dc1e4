import { GROUND_TRUTH_IMPORT, type GroundTruthImportService } from '../../modules/monitoring/index.js';
import { defineJob } from '../engine/define-job.js';

export const groundTruthImportJob = defineJob({
  ...GROUND_TRUTH_IMPORT,
  run: ({ groundTruthImports }: { groundTruthImports: GroundTruthImportService }, attempt) =>
    groundTruthImports.execute(attempt),
});
