import { z } from 'zod';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS } from '../jobs/index.js';
import { archiveCounts } from './archive-format.js';

export const EXPERIMENT_IMPORT = defineJobKind({
  kind: 'EXPERIMENT_IMPORT',
  about: 'Imports an experiment from an archive.',
  input: z.object({
    uploadId: z.guid(),
    objectKey: z.string(),
    sha256: z.string(),
    /** Null: the name in the archive. */
    name: z.string().nullable(),
  }),
  result: archiveCounts.partial().extend({ experimentId: z.guid(), keptIds: z.boolean(), unchanged: z.boolean() }),
  resources: { cores: 0.25, memoryBytes: 0.25 * GIB, gpus: 0 },
  maxAtOnce: 1,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 24 * HOUR_MS,
});
