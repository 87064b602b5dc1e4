import { defineEntity, p } from '@mikro-orm/core';
import type { TrafficCounts } from '../../../modules/monitoring/index.js';

/** How much of a deployment's traffic monitoring has analysed. */
export const MonitoringCursor = defineEntity({
  name: 'MonitoringCursor',
  tableName: 'monitoring_cursor',
  properties: {
    tenant: p.text(),
    deploymentId: p.uuid().primary(),
    /** The last logged row that was analysed: its time and its id. */
    loggedAfter: p.datetime(),
    loggedAfterId: p.uuid(),
    /** The counters were read up to `counted`, from this minute on. */
    countedSince: p.datetime(),
    counted: p.json<TrafficCounts>(),
  },
});
