import { type ArchiveImportService, EXPERIMENT_IMPORT } from '../../modules/exchange/index.js';
import { defineJob } from '../engine/define-job.js';

export const experimentImportJob = defineJob({
  ...EXPERIMENT_IMPORT,
  run: ({ archiveImports }: { archiveImports: ArchiveImportService }, attempt) => archiveImports.execute(attempt),
});
