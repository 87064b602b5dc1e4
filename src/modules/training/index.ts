export { CheckpointService } from './checkpoint.service.js';
export { createTrainingLoaders } from './loaders.js';
export type { TrainingJobConfig } from './training-job-config.js';
export { TrainingService } from './training.service.js';
