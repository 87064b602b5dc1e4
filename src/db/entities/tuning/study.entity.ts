import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { PriorTrial, StopRule, StudySpec } from '../../../modules/tuning/index.js';

/** A search for good parameters: by trainings of this service, or by any outside trainer. */
export const Study = defineEntity({
  name: 'Study',
  tableName: 'study',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    experimentId: p.uuid(),
    /** The parent of the runs of its trials. */
    runId: p.uuid(),
    /** The newest TUNING job; null for a study that an outside trainer drives. */
    jobId: p.uuid().nullable(),
    datasetId: p.uuid().nullable(),
    name: p.text(),
    status: p.enum(['RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED']).default('RUNNING'),
    spec: p.json<StudySpec>(),
    stopRule: p.json<StopRule>(),
    /** Trials of the earlier studies from which it was started; they count for the sampler only. */
    priorTrials: p.json<PriorTrial[]>().default([]).lazy(),
    /** The number of the next trial. */
    nextNumber: p.integer().default(0),
    /** The sequence number of the last change of one of its trials. */
    eventSeq: p.bigint('number').default(0),
    /** Why it ended, as a sentence; null while it runs. */
    reason: p.text().nullable(),
    /** Milliseconds between its ends and the times when it went on: they do not count for its limit of time. */
    idleMs: p.bigint('number').default(0),
    startedAt: p.datetime().onCreate(() => new Date()),
    endedAt: p.datetime().nullable(),
    createdBy: p.text(),
  },
});
export type Study = InferEntity<typeof Study>;
