import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { JobTemplate } from '../../../modules/jobs/index.js';

/** Starts jobs like an earlier one: by a cron expression, or when a dataset has a new version. */
export const Schedule = defineEntity({
  name: 'Schedule',
  tableName: 'schedule',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    updatedAt: p.datetime().onCreate(() => new Date()),
    name: p.text(),
    /** The kind of its jobs, which the template has, too. */
    kind: p.text(),
    template: p.json<JobTemplate>(),
    newestDataset: p.boolean(),
    productionVersion: p.boolean(),
    /** Either these two are set, or the two of a dataset. */
    cron: p.text().nullable(),
    timeZone: p.text().nullable(),
    watchedDataset: p.text().nullable(),
    /** The version of that dataset for which a job was started last, or that was the newest before. */
    watchedVersion: p.integer().nullable(),
    missed: p.enum(['SKIP', 'START_ONCE']),
    overlap: p.enum(['SKIP', 'ALLOW', 'CANCEL_PREVIOUS']),
    pausedAt: p.datetime().nullable(),
    /** The next start; the year 9999 when none is known. */
    dueAt: p.datetime(),
    /** The owner, in whose name its jobs run. */
    createdBy: p.text(),
  },
});
export type Schedule = InferEntity<typeof Schedule>;
