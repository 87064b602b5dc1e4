import { defineEntity, p } from '@mikro-orm/core';

/** A stored file that no row names yet; it is removed when its transaction never commits. */
export const StagedObject = defineEntity({
  name: 'StagedObject',
  tableName: 'staged_object',
  properties: {
    tenant: p.text(),
    objectKey: p.text().primary(),
    createdAt: p.datetime().defaultRaw('clock_timestamp()'),
  },
});
