import { ENSEMBLE, type EnsembleService } from '../../modules/ensembles/index.js';
import { defineJob } from '../engine/define-job.js';

export const ensembleJob = defineJob({
  ...ENSEMBLE,
  run: ({ ensembles }: { ensembles: EnsembleService }, attempt) => ensembles.execute(attempt),
});
