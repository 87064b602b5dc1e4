import { type ReleaseService, RELEASE } from '../../modules/evaluation/index.js';
import { defineJob } from '../engine/define-job.js';

export const releaseJob = defineJob({
  ...RELEASE,
  run: ({ releases }: { releases: ReleaseService }, attempt) => releases.execute(attempt),
});
