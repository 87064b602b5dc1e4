import { z } from 'zod';
import type { ChildProgram } from '../../child-task/child-task.js';
import { anyNumber } from '../../child-task/messages.js';
import type { PreparedTraining, PrepareRequest } from './prepare.js';

/** Prepares one training for work outside the service, in a child process. */
export const PREPARATION_PROGRAM: ChildProgram<PrepareRequest, never, PreparedTraining> = {
  name: 'preparation',
  entry: 'training/outside/prepare-child.js',
  report: z.never(),
  result: z.strictObject({
    classes: z.int().nullable(),
    fingerprint: z.string(),
    parts: z.array(
      z.strictObject({
        ...{ name: z.string(), watches: z.boolean(), targetStd: anyNumber },
        ...{ numericWidth: z.int(), indicatorCount: z.int() },
      }),
    ),
  }),
};
