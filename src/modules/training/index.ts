export { CheckpointService } from './checkpoint.service.js';
export { createTrainingLoaders } from './loaders.js';
export { TrainingService } from './training.service.js';
export type { StoredTrainedModel } from './rules/trained-model.js';
export { trainedModelOf } from './stores/trained-models.js';
export { TRAINING } from './training.job-kind.js';
export { TRAINING_EVENTS } from './events.js';
export { TRAINING_LINEAGE } from './lineage.js';
