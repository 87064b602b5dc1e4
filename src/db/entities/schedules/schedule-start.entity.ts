import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

/** What became of one start of a schedule, or of several that were missed together. */
export const ScheduleStart = defineEntity({
  name: 'ScheduleStart',
  tableName: 'schedule_start',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    scheduleId: p.uuid(),
    dueAt: p.datetime(),
    outcome: p.enum(['STARTED', 'SKIPPED', 'MISSED', 'REFUSED']),
    /** The job that was started; it may have been deleted with its run. */
    jobId: p.uuid().nullable(),
    message: p.text(),
  },
});
export type ScheduleStart = InferEntity<typeof ScheduleStart>;
