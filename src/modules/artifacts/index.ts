export {
  ArtifactFolderService,
  type CheckedArtifactAddress,
  type FolderEntry,
  type ArtifactAddress,
} from './artifact-folder.service.js';
export { filesOf } from './store.js';
export { ArtifactService } from './artifact.service.js';
export { createArtifactLoaders } from './loaders.js';
export { RunArchiveService } from './run-archive.service.js';
export { RUN_ARCHIVE } from './run-archive.job-kind.js';
export { isStored, storedFiles, type FolderOwner } from './store.js';
export { ARTIFACTS_LINEAGE } from './lineage.js';
