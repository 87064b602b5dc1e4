import type { Batches } from '../platform/index.js';
import { checkpointsOfJobs } from './stores/checkpoints.js';

export function createTrainingLoaders(batches: Batches) {
  return {
    jobCheckpoints: batches.grouped(checkpointsOfJobs),
  };
}
