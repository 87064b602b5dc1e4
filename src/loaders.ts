import { createMonitoringLoaders } from './modules/monitoring/index.js';
import { Batches, type RunInSession, createPlatformLoaders } from './modules/platform/index.js';
import { createRegistryLoaders } from './modules/registry/index.js';
import { createServingLoaders } from './modules/serving/index.js';
import { createExperimentLoaders } from './modules/experiments/index.js';
import { createArtifactLoaders } from './modules/artifacts/index.js';
import { createDatasetLoaders } from './modules/datasets/index.js';
import { createLoggedModelLoaders } from './modules/logged-models/index.js';
import { createTrainingLoaders } from './modules/training/index.js';
import { createJobLoaders } from './modules/jobs/index.js';

export type Loaders = ReturnType<typeof createLoaders>;

/** Per request: what its fields read, in bulk. */
export function createLoaders(run: RunInSession) {
  const batches = new Batches(run);
  return {
    ...createMonitoringLoaders(batches),
    ...createPlatformLoaders(batches),
    ...createRegistryLoaders(batches),
    ...createServingLoaders(batches),
    ...createExperimentLoaders(batches),
    ...createArtifactLoaders(batches),
    ...createDatasetLoaders(batches),
    ...createLoggedModelLoaders(batches),
    ...createTrainingLoaders(batches),
    ...createJobLoaders(batches),
  };
}
