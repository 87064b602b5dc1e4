import { defineEntity, p } from '@mikro-orm/core';

export const JobSubject = defineEntity({
  name: 'JobSubject',
  tableName: 'job_subject',
  properties: {
    tenant: p.text(),
    jobId: p.uuid().primary(),
    /** For example `run` or `modelVersion`. */
    type: p.text().primary(),
    subjectId: p.uuid().primary(),
  },
});
