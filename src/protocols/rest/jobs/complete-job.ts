import { z } from 'zod';
import { badInput } from '../../../errors.js';
import { operation } from '../operation.js';

const MAX_MESSAGE_CHARACTERS = 2_000;

const completionBody = z
  .strictObject({
    progress: z
      .strictObject({
        fraction: z.number().min(0, '0 to 1').max(1, '0 to 1').describe('Fraction of the work that is done, 0 to 1.'),
        message: z
          .string()
          .max(MAX_MESSAGE_CHARACTERS, `at most ${MAX_MESSAGE_CHARACTERS} characters`)
          .describe(`Current activity: at most ${MAX_MESSAGE_CHARACTERS} characters.`),
        state: z
          .string()
          .max(200, 'at most 200 characters')
          .optional()
          .describe('State of the work in its own system: at most 200 characters.'),
      })
      .optional()
      .describe('The work goes on.'),
    result: z
      .looseObject({})
      .optional()
      .describe('The work succeeded: the result of the job, in the shape of its kind.'),
    failure: z
      .strictObject({
        message: z
          .string()
          .min(1, `1 to ${MAX_MESSAGE_CHARACTERS} characters`)
          .max(MAX_MESSAGE_CHARACTERS, `1 to ${MAX_MESSAGE_CHARACTERS} characters`)
          .describe(`Reason, as one sentence: 1 to ${MAX_MESSAGE_CHARACTERS} characters.`),
        retry: z.boolean().describe('Whether another attempt may succeed.'),
      })
      .optional()
      .describe('The work failed.'),
  })
  .meta({ id: 'JobCompletion' });

const completionAnswer = z
  .object({
    id: z.string().describe('Id of the job.'),
    status: z.string().describe('Status of the job after the report.'),
    attempt: z.int().describe('Number of the current attempt, from 1.'),
  })
  .meta({ id: 'ReportedJob' });

export const completeJobOperation = operation({
  id: 'completeJob',
  method: 'POST',
  path: '/jobs/{id}/complete',
  summary: 'Reports progress, the result or the failure of a job whose work runs outside the service.',
  description:
    'Send exactly one of `progress`, `result` and `failure`. The bearer token is the one that the service gave to ' +
    'this attempt of the job. CONFLICT when the job has ended, or another attempt has taken over: stop the work then.',
  need: 'ATTEMPT',
  params: { id: 'Id of the job.' },
  body: completionBody,
  example: { progress: { fraction: 0.5, message: 'Epoch 10 of 20' } },
  answer: completionAnswer,
  handle: async (call, { id = '' }, { progress, result, failure }) => {
    const given = [progress, result, failure].filter((one) => one !== undefined);
    if (given.length !== 1) throw badInput('body', 'exactly one of progress, result and failure', given.length);
    const job = await call.services.outsideCompletion.report(
      call.token,
      id,
      progress
        ? { progress: progress.fraction, message: progress.message, state: progress.state }
        : failure
          ? { failure: failure.message, retry: failure.retry }
          : { result: result ?? {} },
    );
    return { id: job.id, status: job.status, attempt: job.attempt };
  },
});
