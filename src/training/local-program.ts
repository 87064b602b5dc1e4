import { z } from 'zod';
import type { ChildProgram } from '../child-task/child-task.js';
import { anyNumber } from '../child-task/messages.js';
import type { FoldResult, TrainingWarning } from '../modules/algorithms/index.js';
import type { CheckpointReport, EpochReport, TrainingOutcome, TrainingRequest } from './port.js';

/** Messages of a training to the service while it runs. */
export type TrainingReport =
  | { type: 'progress'; fraction: number; message: string }
  | { type: 'epoch'; report: EpochReport }
  | { type: 'checkpoint'; report: CheckpointReport }
  | { type: 'fold'; result: FoldResult }
  | { type: 'warning'; warning: TrainingWarning };

const epoch = z.strictObject({
  epoch: z.int().min(1),
  epochs: z.int().min(1),
  metrics: z.record(z.string(), anyNumber),
});
const checkpoint = z.strictObject({
  epoch: z.int().min(0),
  path: z.string(),
  sizeBytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const fold = z.strictObject({
  fold: z.int().min(1),
  rows: z.strictObject({ train: z.int(), watched: z.int(), validation: z.int() }),
  metrics: z.record(z.string(), anyNumber),
});
const warning = z.custom<TrainingWarning>(
  (value) => z.looseObject({ code: z.string(), message: z.string() }).safeParse(value).success,
);

const outcomeShape = z.looseObject({
  modelPath: z.string(),
  signature: z.looseObject({ inputs: z.array(z.unknown()), outputs: z.array(z.unknown()) }),
  metrics: z.record(z.string(), anyNumber),
  epochsRun: z.int().min(0),
  bestEpoch: z.int().min(0),
  stoppedEarly: z.boolean(),
  warnings: z.array(warning),
  rows: z.strictObject({ train: z.int(), validation: z.int(), holdout: z.int() }),
  crossValidation: z.looseObject({ folds: z.array(fold) }).optional(),
  agreementMaxAbsDiff: anyNumber,
  reference: z.looseObject({}),
});

/** One training in a child process. */
export const TRAINING_PROGRAM: ChildProgram<TrainingRequest, TrainingReport, TrainingOutcome> = {
  name: 'training',
  entry: 'training/local-child.js',
  report: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('progress'), fraction: anyNumber, message: z.string() }),
    z.strictObject({ type: z.literal('epoch'), report: epoch }),
    z.strictObject({ type: z.literal('checkpoint'), report: checkpoint }),
    z.strictObject({ type: z.literal('fold'), result: fold }),
    z.strictObject({ type: z.literal('warning'), warning }),
  ]),
  result: z.custom<TrainingOutcome>((value) => outcomeShape.safeParse(value).success),
};
