import { z } from 'zod';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS } from '../jobs/index.js';

const count = z.int().min(0).default(0);
/** What a collection has removed so far, in all its attempts. */
const tally = z.object({
  runs: count,
  loggedModels: count,
  experiments: count,
  metricPoints: count,
  logLines: count,
  files: count,
});
export type Tally = z.output<typeof tally>;

const kept = z.object({
  type: z.enum(['run', 'loggedModel', 'experiment']),
  id: z.guid(),
  name: z.string(),
  reason: z.string(),
});
export type Kept = z.output<typeof kept>;

const found = z.object({ count: z.int(), keys: z.array(z.string()) });
const storageReport = z.object({
  objects: z.int(),
  rows: z.int(),
  /** Files that no row names. */
  objectsWithoutRow: found,
  /** Rows whose file is missing. */
  rowsWithoutObject: found,
});
export type StorageReport = z.output<typeof storageReport>;

export const GARBAGE_COLLECTION = defineJobKind({
  kind: 'GARBAGE_COLLECTION',
  about: 'Permanently removes objects that were deleted long enough ago.',
  input: z.object({
    deletedBefore: z.iso.datetime(),
    experimentIds: z.array(z.guid()).nullable(),
    runIds: z.array(z.guid()).nullable(),
    checkStorage: z.boolean(),
  }),
  soFar: tally,
  result: tally.extend({ kept: z.array(kept), keptCount: z.int(), storage: storageReport.nullable() }),
  resources: { cores: 0.25, memoryBytes: 0.25 * GIB, gpus: 0 },
  maxAtOnce: 1,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 24 * HOUR_MS,
});
