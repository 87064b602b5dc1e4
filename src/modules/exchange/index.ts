export { ArchiveExportService } from './archive-export.service.js';
export { ArchiveImportService } from './archive-import.service.js';
export { markTouched } from './mirror-tasks.js';
export { MirrorService, type MirrorTarget } from './mirror.service.js';
export { MlflowImportService } from './mlflow-import.service.js';
export { LINE_KINDS } from './archive-format.js';
