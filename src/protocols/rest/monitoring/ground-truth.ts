import { z } from 'zod';
import { Role } from '../../../modules/core/index.js';
import { ErrorCode } from '../../../errors.js';
import { GROUND_TRUTHS_PER_CALL } from '../../../modules/monitoring/index.js';
import { loggedAnswersOf } from '../../../modules/serving/index.js';
import { withoutInputPrefix } from '../../errors.js';
import { operation } from '../operation.js';

const groundTruthBody = z
  .strictObject({
    records: z
      .array(
        z.strictObject({
          requestId: z.string().describe('Id of the request, as predict answered it.'),
          row: z.int().nullish().describe('Position of the row in the request, from 0; 0 when absent.'),
          label: z.string().nullish().describe('Of a classification: the true class, as the model names it.'),
          value: z.number().nullish().describe('True value of a regression.'),
          observedAt: z.iso.datetime({ offset: true }).nullish().describe('When it became known, ISO 8601.'),
        }),
      )
      .describe(`1 to ${GROUND_TRUTHS_PER_CALL.max} records.`),
  })
  .meta({ id: 'GroundTruthRequest' });

const groundTruthAnswer = z
  .object({
    added: z.int().describe('Number of rows that had no ground truth before.'),
    replaced: z.int().describe('Number of rows that had another ground truth, which is now in their history.'),
    unchanged: z
      .int()
      .describe('Number of rows that already had the same ground truth, or one that became known later.'),
    rejected: z
      .array(
        z.object({ index: z.int(), requestId: z.string(), row: z.int(), code: z.enum(ErrorCode), message: z.string() }),
      )
      .describe('Records that were not taken, by their position in the batch, and why.'),
  })
  .meta({ id: 'GroundTruthAnswer' });

export const groundTruthOperation = operation({
  id: 'recordGroundTruth',
  method: 'POST',
  path: '/endpoints/{name}/ground-truth',
  summary: 'Records what turned out to be true of rows that the endpoint answered.',
  description:
    'The same as the mutation `recordGroundTruth` of GraphQL: takes what it can and lists the rest under ' +
    '`rejected`; fails when nothing can be taken.',
  need: { what: 'Recording ground truth', role: Role.ENGINEER, scopes: [] },
  params: { name: 'Name of the endpoint.' },
  body: groundTruthBody,
  example: { records: [{ requestId: '7d0c…', row: 0, label: 'Adelie' }] },
  answer: groundTruthAnswer,
  handle: async (call, { name }, body) => {
    const records = body.records.map(({ observedAt, ...record }) => ({
      ...record,
      observedAt: observedAt == null ? null : new Date(observedAt),
    }));
    const { added, replaced, unchanged, rejected } = await call.services.groundTruth.record(call, {
      endpointName: name,
      records,
    });
    return {
      added,
      replaced,
      unchanged,
      rejected: rejected.map((one) => ({ ...one, message: withoutInputPrefix(one.message) })),
    };
  },
});

const loggedPrediction = z
  .object({
    requestId: z.string().describe('Id of the request.'),
    loggedAt: z.iso.datetime().describe('When it was written to the log, a second or two after the answer.'),
    rows: z.int().describe('Rows that the log has, at most 1,000.'),
    latencyMs: z.number().describe('Latency of the answer, in milliseconds.'),
    errorCode: z.string().nullable().describe('Error code of the answer; null for a successful prediction.'),
    modelVersion: z.object({ id: z.string() }).describe('Version that computed the answer.'),
    deployment: z.object({ id: z.string() }).describe('Deployment that answered the request.'),
    inputs: z.record(z.string(), z.array(z.unknown())).describe('A list per column with a value per row.'),
    answers: z
      .array(
        z.object({
          row: z.int(),
          label: z.string().nullable(),
          value: z.number().nullable(),
          probabilities: z.array(z.number()).nullable(),
        }),
      )
      .describe('What was answered, row by row.'),
  })
  .meta({ id: 'LoggedPrediction' });

export const readPredictionOperation = operation({
  id: 'prediction',
  method: 'GET',
  path: '/endpoints/{name}/predictions/{requestId}',
  summary: 'Reads a logged prediction back.',
  description:
    'The same as the query `prediction` of GraphQL. The log keeps requests for `logRetentionDays` of the endpoint, and those of the ' +
    'endpoint’s sample alone.',
  need: { what: 'Reading logged predictions', role: Role.ENGINEER, scopes: ['READ'] },
  params: { name: 'Name of the endpoint.', requestId: 'Id of the request, as predict answered it.' },
  body: null,
  example: undefined,
  answer: loggedPrediction,
  handle: async (call, { name, requestId = '' }) => {
    const logged = await call.services.loggedPredictions.get(call, { endpointName: name }, requestId);
    const { createdAt, rows, latencyMs, errorCode = null, inputs, modelVersionId, deploymentId } = logged;
    return {
      ...{ requestId, loggedAt: createdAt.toISOString(), rows, latencyMs, errorCode, inputs },
      modelVersion: { id: modelVersionId },
      deployment: { id: deploymentId },
      answers: loggedAnswersOf(logged),
    };
  },
});
