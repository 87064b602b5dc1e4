import { defineEntity, p } from '@mikro-orm/core';
import { double } from '../../columns.js';

/** A process that runs jobs, as it reported itself last. It belongs to no tenant, and no request can read it. */
export const Worker = defineEntity({
  name: 'Worker',
  tableName: 'worker',
  properties: {
    id: p.uuid().primary(),
    slots: p.integer(),
    cores: double(),
    memoryBytes: p.bigint('number'),
    gpus: p.integer(),
    /** The queues from which it takes jobs. */
    queues: p.json<string[]>(),
    seenAt: p.datetime().defaultRaw('now()'),
  },
});
