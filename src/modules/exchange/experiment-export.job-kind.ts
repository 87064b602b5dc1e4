import { z } from 'zod';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS, storedFile } from '../jobs/index.js';
import { archiveCounts } from './archive-format.js';

export const EXPERIMENT_EXPORT = defineJobKind({
  kind: 'EXPERIMENT_EXPORT',
  about: 'Exports an experiment into an archive.',
  input: z.object({ experimentId: z.guid() }),
  result: storedFile.extend(archiveCounts.shape),
  resources: { cores: 0.25, memoryBytes: 0.25 * GIB, gpus: 0 },
  maxAtOnce: 1,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 24 * HOUR_MS,
});
