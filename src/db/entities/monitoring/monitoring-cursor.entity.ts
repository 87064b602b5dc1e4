import { defineEntity, p } from '@mikro-orm/core';

/** How far monitoring has judged the traffic of a deployment. */
export const MonitoringCursor = defineEntity({
  name: 'MonitoringCursor',
  tableName: 'monitoring_cursor',
  properties: {
    tenant: p.text(),
    deploymentId: p.uuid().primary(),
    /** The last logged row that was judged: its time and its id. */
    loggedAfter: p.datetime(),
    loggedAfterId: p.uuid(),
    /** Counters were read up to `counted`, from this minute on. */
    countedSince: p.datetime(),
    counted: p.json<Record<string, unknown>>(),
  },
});
