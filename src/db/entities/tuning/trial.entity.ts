import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { Params } from '../../../modules/tuning/index.js';
import { double } from '../../columns.js';

const doubles = () => p.float().columnType('double precision[]').array();

/** One set of parameters of a study, and how good they are. */
export const Trial = defineEntity({
  name: 'Trial',
  tableName: 'trial',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    studyId: p.uuid(),
    number: p.integer(),
    /** The sequence number of its last change within the study. */
    seq: p.bigint('number'),
    status: p.enum(['QUEUED', 'RUNNING', 'COMPLETE', 'PRUNED', 'FAILED', 'CANCELLED']),
    params: p.json<Params>(),
    /** One per objective. */
    values: doubles().nullable(),
    /** Of the values, with repeated seeds. */
    standardErrors: doubles().nullable(),
    /** Feasible when all are at most 0. */
    violations: doubles().nullable(),
    /** The order of trials: the value of the first objective, less is better; the greatest number without one. */
    score: double(),
    reportSteps: p.bigint('number').array().default([]),
    reportValues: doubles().default([]),
    /** Why it was pruned, failed or cancelled, as a sentence. */
    reason: p.text().nullable(),
    /** How often its trainer was lost. */
    failures: p.integer().default(0),
    /** The last sign of life of an outside trainer. */
    aliveAt: p.datetime().nullable(),
    startedAt: p.datetime().nullable(),
    endedAt: p.datetime().nullable(),
  },
});
export type Trial = InferEntity<typeof Trial>;
