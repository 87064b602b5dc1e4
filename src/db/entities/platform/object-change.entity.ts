import { defineEntity, p } from '@mikro-orm/core';

/**
 * An object that a committed transaction has changed. The row exists until the subscribers of changes have received it.
 */
export const ObjectChange = defineEntity({
  name: 'ObjectChange',
  tableName: 'object_change',
  properties: {
    id: p.uuid().primary(),
    tenant: p.text(),
    /** As in the audit log: run, modelVersion … */
    type: p.text(),
    objectId: p.text(),
    changedAt: p.datetime().defaultRaw('clock_timestamp()'),
  },
});
