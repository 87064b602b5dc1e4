import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { double } from '../../columns.js';

export const Job = defineEntity({
  name: 'Job',
  tableName: 'job',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    kind: p.enum([
      'TRAINING',
      'EVALUATION',
      'VALIDATION',
      'BATCH_INFERENCE',
      'CONVERSION',
      'RELEASE',
      'RUN_ARCHIVE',
      'GARBAGE_COLLECTION',
      'EXPERIMENT_EXPORT',
      'EXPERIMENT_IMPORT',
      'MLFLOW_IMPORT',
    ]),
    status: p.enum(['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED']).default('QUEUED'),
    attempt: p.integer().default(1),
    enqueuedAttempt: p.integer().default(0),
    failures: p.integer().default(0),
    runId: p.uuid().nullable(),
    modelVersionId: p.uuid().nullable(),
    datasetId: p.uuid().nullable(),
    alertId: p.uuid().nullable(),
    config: p.json<Record<string, unknown>>(),
    /** Large for a training: read where it is asked for. */
    result: p.json<Record<string, unknown>>().nullable().lazy(),
    progress: double().default(0),
    message: p.text().default(''),
    errorCode: p.text().nullable(),
    errorMessage: p.text().nullable(),
    eventSeq: p.bigint('number').default(0),
    heartbeatAt: p.datetime().nullable(),
    enqueuedAt: p.datetime().nullable(),
    /** A failed attempt's successor waits until then. */
    notBefore: p.datetime().nullable(),
    startedAt: p.datetime().nullable(),
    endedAt: p.datetime().nullable(),
    createdBy: p.text(),
  },
});
export type Job = InferEntity<typeof Job>;
