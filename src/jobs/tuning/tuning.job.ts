import { type TuningService, TUNING } from '../../modules/tuning/index.js';
import { defineJob } from '../engine/define-job.js';

export const tuningJob = defineJob({
  ...TUNING,
  run: ({ tunings }: { tunings: TuningService }, attempt) => tunings.execute(attempt),
});
