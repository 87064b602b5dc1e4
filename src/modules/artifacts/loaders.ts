import type { Batches } from '../platform/index.js';
import { filesOf } from './store.js';

export function createArtifactLoaders(batches: Batches) {
  return {
    runArtifacts: batches.grouped(filesOf('run_id')),
    loggedModelArtifacts: batches.grouped(filesOf('logged_model_id')),
  };
}
