export { ArchiveExportService } from './archive-export.service.js';
export { ArchiveImportService } from './archive-import.service.js';
export { markTouched } from './mirror-tasks.js';
export { MirrorService, type MirrorTarget } from './mirror.service.js';
export { MlflowImportService } from './mlflow-import.service.js';
export { LINE_KINDS } from './archive-format.js';
export { EXPERIMENT_EXPORT } from './experiment-export.job-kind.js';
export { EXPERIMENT_IMPORT } from './experiment-import.job-kind.js';
export { MLFLOW_IMPORT } from './mlflow-import.job-kind.js';
