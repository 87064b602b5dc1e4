import { z } from 'zod';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS, storedFile } from '../jobs/index.js';

/** Where the rows are predicted. */
export const BATCH_BACKENDS = ['LOCAL', 'RAY', 'SPARK'] as const;
export type BatchBackend = (typeof BATCH_BACKENDS)[number];

/** The job refers to the version and to the dataset. */
export const BATCH_INFERENCE = defineJobKind({
  kind: 'BATCH_INFERENCE',
  about: 'Predicts for every row of a dataset.',
  input: z.object({
    keyColumns: z.array(z.string()),
    /** Columns of the dataset by whose values the rows are stored a second time, in a folder of files. */
    partitionBy: z.array(z.string()).optional(),
    /** The alias that named the version; a clone takes its version anew. */
    follows: z.object({ modelId: z.uuid(), alias: z.string() }).optional(),
    /** LOCAL when absent. */
    backend: z.enum(BATCH_BACKENDS).optional(),
    /** For RAY: processes that predict at the same time. */
    workers: z.int().min(1).optional(),
  }),
  result: storedFile.extend({
    objectKey: z.string(),
    rows: z.int(),
    /** The number of parts of the result. */
    parts: z.int(),
    downloadUrl: z.string(),
    /** The files of the folder; absent without `partitionBy`. */
    partitions: z.array(storedFile.extend({ path: z.string(), downloadUrl: z.string() })).optional(),
  }),
  resources: { cores: 1, memoryBytes: GIB, gpus: 0 },
  maxAtOnce: 2,
  outsideAtOnce: 20,
  reportsOutside: true,
  keepsProgress: true,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 24 * HOUR_MS,
});
