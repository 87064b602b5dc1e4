import { z } from 'zod';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS } from '../jobs/index.js';

const imported = z.object({
  rows: z.int(),
  added: z.int(),
  replaced: z.int(),
  unchanged: z.int(),
  /** Rows whose truth is not known yet. */
  missing: z.int(),
  rejected: z.int(),
  /** The first of them, by the number of their row, from 1. */
  rejections: z.array(z.object({ row: z.int(), requestId: z.string(), code: z.string(), message: z.string() })),
});
export type ImportedGroundTruths = z.output<typeof imported>;

/** The job refers to the dataset. */
export const GROUND_TRUTH_IMPORT = defineJobKind({
  kind: 'GROUND_TRUTH_IMPORT',
  about: 'Records the ground truth of rows that an endpoint answered, from a dataset.',
  input: z.object({
    endpointId: z.uuid(),
    columns: z.object({
      requestId: z.string(),
      row: z.string().nullable(),
      label: z.string().nullable(),
      value: z.string().nullable(),
      observedAt: z.string().nullable(),
    }),
  }),
  result: imported,
  soFar: imported,
  resources: { cores: 0.5, memoryBytes: GIB / 4, gpus: 0 },
  maxAtOnce: 2,
  keepsProgress: true,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 24 * HOUR_MS,
});
