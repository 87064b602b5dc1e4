import { defineEntity, p } from '@mikro-orm/core';

/** What a job needs to know and nobody may read; deleted when the job ends. */
export const JobSecret = defineEntity({
  name: 'JobSecret',
  tableName: 'job_secret',
  properties: {
    tenant: p.text(),
    jobId: p.uuid().primary(),
    secret: p.json<Record<string, unknown>>(),
  },
});
