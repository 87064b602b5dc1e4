export { DatasetService } from './dataset.service.js';
export { createDatasetLoaders } from './loaders.js';
export { DATASETS_LINEAGE } from './lineage.js';
