import { join } from 'node:path';
import { z } from 'zod';
import { anyNumber } from '../../child-task/messages.js';
import type { TrainingHooks } from '../port.js';

const MAX_LINE_CHARACTERS = 2_000;

const epoch = z.int().min(1);
const reportSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), fraction: z.number().min(0).max(1), message: z.string() }),
  z.object({ type: z.literal('epoch'), epoch, epochs: epoch, metrics: z.record(z.string(), anyNumber) }),
  z.object({ type: z.literal('log'), line: z.string() }),
  z.object({
    type: z.literal('checkpoint'),
    epoch,
    file: z.string().regex(/^checkpoint-\d{1,7}$/),
    sizeBytes: z.int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
]);

/** Passes a line of a training in Python on: a report, or else what a library has printed. Empty ones say nothing. */
export async function passOn(line: string, folder: string, hooks: TrainingHooks): Promise<void> {
  if (line === '') return;
  const { data: report } = reportSchema.safeParse(jsonOf(line));
  switch (report?.type) {
    case 'progress':
      return hooks.onProgress(report.fraction, report.message);
    case 'epoch':
      return hooks.onEpoch({ epoch: report.epoch, epochs: report.epochs, metrics: report.metrics });
    case 'checkpoint':
      return hooks.onCheckpoint({ ...report, path: join(folder, report.file) });
    default:
      return hooks.onLine?.((report?.line ?? line).slice(0, MAX_LINE_CHARACTERS));
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
