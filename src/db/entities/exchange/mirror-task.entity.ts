import { defineEntity, p } from '@mikro-orm/core';

/** A row that has changed since it was last sent to the other tracking server. */
export const MirrorTask = defineEntity({
  name: 'MirrorTask',
  tableName: 'mirror_task',
  properties: {
    tenant: p.text().primary(),
    kind: p.enum(['EXPERIMENT', 'RUN', 'MODEL', 'MODEL_VERSION']).primary(),
    localId: p.uuid().primary(),
    changedAt: p.datetime().defaultRaw('clock_timestamp()'),
    failures: p.integer().default(0),
    notBefore: p.datetime().defaultRaw('clock_timestamp()'),
    error: p.text().nullable(),
  },
});
