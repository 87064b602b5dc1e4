export {
  addImportedLinks,
  addImportedModelMetrics,
  addImportedModels,
  exportedLinks,
  exportedModelMetrics,
  exportedModels,
  revealModels,
} from './archived-models.js';
export { createLoggedModelLoaders } from './loaders.js';
export { searchLoggedModels } from './logged-model-search.js';
export { LoggedModelService } from './logged-model.service.js';
export { deleteLoggedModel } from './store.js';
export { LOGGED_MODELS_LINEAGE } from './lineage.js';
