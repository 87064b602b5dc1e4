import { type ArchiveExportService, EXPERIMENT_EXPORT } from '../../modules/exchange/index.js';
import { defineJob } from '../engine/define-job.js';

export const experimentExportJob = defineJob({
  ...EXPERIMENT_EXPORT,
  run: ({ archiveExports }: { archiveExports: ArchiveExportService }, attempt) => archiveExports.execute(attempt),
});
