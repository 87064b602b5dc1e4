import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { TrainingWarning } from '../../../modules/algorithms/index.js';

export const Run = defineEntity({
  name: 'Run',
  tableName: 'run',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    experimentId: p.uuid(),
    name: p.text(),
    status: p.enum(['QUEUED', 'RUNNING', 'FINISHED', 'FAILED', 'KILLED']).default('RUNNING'),
    startedAt: p.datetime().onCreate(() => new Date()),
    endedAt: p.datetime().nullable(),
    parentRunId: p.uuid().nullable(),
    state: p.enum(['ACTIVE', 'DELETED']).default('ACTIVE'),
    deletedAt: p.datetime().nullable(),
    /** When garbage collection began to remove its rows. From then on it cannot be restored. */
    collectionBeganAt: p.datetime().nullable(),
    createdBy: p.text(),
    /** The number of the last line of its log. To add lines, a transaction locks the run's row. */
    lastLogSeq: p.bigint('number').default(0).lazy(),
    /** Warnings of a training. */
    warnings: p.json<TrainingWarning[]>().onCreate(() => []),
  },
});
export type Run = InferEntity<typeof Run>;
