import { defineEntity, p } from '@mikro-orm/core';
import { double } from '../../columns.js';

/** One change of a job, which its followers see, in order. */
export const JobEvent = defineEntity({
  name: 'JobEvent',
  tableName: 'job_event',
  properties: {
    tenant: p.text(),
    jobId: p.uuid().primary(),
    seq: p.bigint('number').primary(),
    createdAt: p.datetime().defaultRaw(`date_trunc('milliseconds', clock_timestamp())`),
    status: p.enum(['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED']),
    attempt: p.integer(),
    progress: double(),
    message: p.text(),
  },
});
