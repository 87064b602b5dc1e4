import { defineEntity, p } from '@mikro-orm/core';

/** The number of the last metric point of a run. To add points, a transaction locks this row. */
export const RunCounter = defineEntity({
  name: 'RunCounter',
  tableName: 'run_counter',
  properties: {
    tenant: p.text(),
    runId: p.uuid().primary(),
    lastSeq: p.bigint('number').default(0),
  },
});
