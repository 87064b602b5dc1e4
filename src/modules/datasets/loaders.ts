import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import type { Batches } from '../platform/index.js';

export function createDatasetLoaders(batches: Batches) {
  return { dataset: batches.byId(Dataset) };
}
