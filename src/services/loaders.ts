import { createMonitoringLoaders } from './monitoring/loaders.js';
import { Batches, type RunInSession } from './platform/batches.js';
import { createPlatformLoaders } from './platform/loaders.js';
import { createRegistryLoaders } from './registry/loaders.js';
import { createServingLoaders } from './serving/loaders.js';
import { createTrackingLoaders } from './tracking/loaders.js';

export type Loaders = ReturnType<typeof createLoaders>;

/** Per request: what its fields read, in bulk. */
export function createLoaders(run: RunInSession) {
  const batches = new Batches(run);
  return {
    ...createMonitoringLoaders(batches),
    ...createPlatformLoaders(batches),
    ...createRegistryLoaders(batches),
    ...createServingLoaders(batches),
    ...createTrackingLoaders(batches),
  };
}
