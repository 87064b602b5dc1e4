import { defineEntity, p } from '@mikro-orm/core';

/** Up to which number rows of a log may have been forgotten. */
export const LogFloor = defineEntity({
  name: 'LogFloor',
  tableName: 'log_floor',
  properties: {
    tenant: p.text().primary(),
    log: p.text().primary(),
    seq: p.bigint('number'),
  },
});
