import { defineEntity, p } from '@mikro-orm/core';

/** A file of a few bytes, written in the transaction of the row that names it. */
export const SmallObject = defineEntity({
  name: 'SmallObject',
  tableName: 'small_object',
  properties: {
    key: p.text().primary(),
    tenant: p.text(),
    content: p.blob(),
  },
});
