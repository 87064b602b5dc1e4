import type { Batches } from '../platform/index.js';

interface CheckpointRow {
  epoch: number;
  attempt: number;
  sizeBytes: number;
  sha256: string;
  createdAt: Date;
}

const CHECKPOINT = 'epoch, attempt, size_bytes::float8 as "sizeBytes", sha256, created_at as "createdAt"';

export function createTrainingLoaders(batches: Batches) {
  return {
    jobCheckpoints: batches.grouped<CheckpointRow>('checkpoint', 'job_id', CHECKPOINT, 'epoch desc, attempt desc'),
  };
}
