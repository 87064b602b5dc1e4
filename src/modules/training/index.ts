export { CheckpointService } from './checkpoint.service.js';
export { createTrainingLoaders } from './loaders.js';
export { TrainingService } from './training.service.js';
export { TRAINING } from './training.job-kind.js';
export { TRAINING_EVENTS } from './events.js';
