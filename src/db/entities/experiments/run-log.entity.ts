import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** One line of a run's log. */
export const RunLog = defineEntity({
  name: 'RunLog',
  tableName: 'run_log',
  properties: {
    tenant: p.text(),
    runId: p.uuid().primary(),
    seq: p.bigint('number').primary(),
    loggedAt: p.datetime(),
    stream: p.enum(['STDOUT', 'STDERR', 'SYSTEM']),
    line: p.text(),
  },
});
export type RunLog = InferEntity<typeof RunLog>;
