import type { Batches } from '../platform/index.js';
import { ensemblesOfVersions } from './stores/ensembles.js';

export function createEnsembleLoaders(batches: Batches) {
  return {
    /** By version; null for a version that combines no others. */
    versionEnsemble: batches.of(ensemblesOfVersions),
  };
}
