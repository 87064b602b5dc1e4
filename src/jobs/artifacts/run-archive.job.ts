import { type RunArchiveService, RUN_ARCHIVE } from '../../modules/artifacts/index.js';
import { defineJob } from '../engine/define-job.js';

export const runArchiveJob = defineJob({
  ...RUN_ARCHIVE,
  run: ({ runArchive }: { runArchive: RunArchiveService }, attempt) => runArchive.execute(attempt),
});
