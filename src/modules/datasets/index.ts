export { DatasetService, MAX_DESCRIPTION_LENGTH, PREVIEW_ROWS } from './dataset.service.js';
export { createDatasetLoaders } from './loaders.js';
export { DATASETS_LINEAGE } from './lineage.js';
