import type { Batches } from '../platform/index.js';
import { ARTIFACT_COLUMNS, type ArtifactRow } from './artifact-rows.js';

export function createArtifactLoaders(batches: Batches) {
  return {
    runArtifacts: batches.grouped<ArtifactRow>('artifact', 'run_id', ARTIFACT_COLUMNS, 'path'),
    loggedModelArtifacts: batches.grouped<ArtifactRow>('artifact', 'logged_model_id', ARTIFACT_COLUMNS, 'path'),
  };
}
