import { z } from 'zod';
import { defineJobKind, GIB, MINUTE_MS, noInput, SECOND_MS } from '../jobs/index.js';

/** The job refers to the version, and to a dataset with sample rows when one was named. */
export const CONVERSION = defineJobKind({
  kind: 'CONVERSION',
  about: 'Converts files of another framework to model.onnx and compares the two models.',
  input: noInput,
  result: z.object({
    framework: z.string(),
    sha256: z.string(),
    maxAbsDiff: z.number().nullable(),
    maxScaledDiff: z.number().nullable(),
  }),
  resources: { cores: 1, memoryBytes: 2 * GIB, gpus: 0 },
  maxAtOnce: 1,
  retry: { attempts: 2, backoffMs: 5 * SECOND_MS },
  timeoutMs: 30 * MINUTE_MS,
});
