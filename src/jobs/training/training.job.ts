import { type TrainingService, TRAINING } from '../../modules/training/index.js';
import { defineJob } from '../engine/define-job.js';

export const trainingJob = defineJob({
  ...TRAINING,
  run: ({ trainings }: { trainings: TrainingService }, attempt) => trainings.execute(attempt),
});
