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
    kind: p.text(),
    status: p.enum(['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED']).default('QUEUED'),
    attempt: p.integer().default(1),
    enqueuedAttempt: p.integer().default(0),
    failures: p.integer().default(0),
    /** The job that requested this one. */
    parentId: p.uuid().nullable(),
    /** -100 to 100. Of the waiting jobs of a tenant, the one with the highest priority runs first. */
    priority: p.integer().default(0),
    /** The queue whose workers take the job. */
    queue: p.text().default('default'),
    cores: double().default(0),
    memoryBytes: p.bigint('number').default(0),
    gpus: p.integer().default(0),
    /** The job needs its resources as many times, and begins with all of them or not at all. */
    workers: p.integer().default(1),
    /** It fails when its attempts have run for longer than this together. */
    maxDurationMs: p.bigint('number').nullable(),
    /** Since when a person does not want it to run. */
    pausedAt: p.datetime().nullable(),
    /** Since when its running attempt shall make room for another job. */
    preemptedAt: p.datetime().nullable(),
    /** The worker process in which running jobs make room for it; null when none do. */
    roomOn: p.uuid().nullable(),
    /** Work on another machine: where it runs, its id there, and its state when it was last checked. */
    externalBackend: p.text().nullable(),
    externalId: p.text().nullable(),
    externalState: p.text().nullable(),
    /** The attempt that has started this work, whose token is valid. */
    externalAttempt: p.integer().nullable(),
    /** The number of the last report of this work. */
    reportSeq: p.bigint('number').default(0),
    /** When this work has called the service last; it may be some seconds later. */
    heardAt: p.datetime().nullable(),
    runId: p.uuid().nullable(),
    modelVersionId: p.uuid().nullable(),
    datasetId: p.uuid().nullable(),
    alertId: p.uuid().nullable(),
    /** The input of its kind. */
    config: p.json<object>(),
    /** Large for a training, so it is loaded only on request. */
    result: p.json<object>().nullable().lazy(),
    progress: double().default(0),
    message: p.text().default(''),
    errorCode: p.text().nullable(),
    errorMessage: p.text().nullable(),
    /** Of the last attempt that failed, also when later ones run or have succeeded. */
    failureClass: p.enum(['MISTAKE', 'LIMIT', 'TIME', 'UNAVAILABLE', 'WORKER_LOST', 'UNEXPECTED']).nullable(),
    failureMessage: p.text().nullable(),
    eventSeq: p.bigint('number').default(0),
    heartbeatAt: p.datetime().nullable(),
    enqueuedAt: p.datetime().nullable(),
    /** No attempt begins before this time. The attempt after a failed one waits, too. */
    notBefore: p.datetime().nullable(),
    startedAt: p.datetime().nullable(),
    /** When the present or last attempt began; null while the job waits. */
    begunAt: p.datetime().nullable(),
    /** How long earlier attempts ran. */
    usedMs: p.bigint('number').default(0),
    /** When the last of the earlier attempts ended. */
    usedUntil: p.datetime().nullable(),
    /** How long attempts ran before a person last resumed the job: the maximum duration does not count it. */
    usedBeforeMs: p.bigint('number').default(0),
    /** When progress was last stored from which a later attempt continues. */
    progressAt: p.datetime().nullable(),
    endedAt: p.datetime().nullable(),
    createdBy: p.text(),
  },
});
export type Job = InferEntity<typeof Job>;
