export { DatasetService } from './dataset.service.js';
export { createDatasetLoaders } from './loaders.js';
