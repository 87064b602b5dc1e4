import { defineEntity, p } from '@mikro-orm/core';

/** Rows of a log up to this number may have been deleted. */
export const LogFloor = defineEntity({
  name: 'LogFloor',
  tableName: 'log_floor',
  properties: {
    tenant: p.text().primary(),
    log: p.text().primary(),
    seq: p.bigint('number'),
  },
});
