import { z } from 'zod';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS } from '../jobs/index.js';

export const LOG_DATASET = defineJobKind({
  kind: 'LOG_DATASET',
  about: 'Registers a time range of the log of predictions, with ground truths, as a dataset.',
  input: z.object({
    endpointId: z.uuid(),
    deploymentId: z.uuid().nullable(),
    name: z.string(),
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    labelledOnly: z.boolean(),
  }),
  result: z.object({ datasetId: z.uuid(), rows: z.int(), labelledRows: z.int() }),
  resources: { cores: 1, memoryBytes: GIB / 2, gpus: 0 },
  maxAtOnce: 2,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 6 * HOUR_MS,
});
