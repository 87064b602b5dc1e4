import type { Batches } from '../platform/index.js';
import { readJobResults } from './job-results.js';

export function createJobLoaders(batches: Batches) {
  return { jobResult: batches.of(readJobResults) };
}
