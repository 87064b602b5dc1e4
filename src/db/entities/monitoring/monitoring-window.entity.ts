import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { WindowReport } from '../../../modules/monitoring/index.js';

export const MonitoringWindow = defineEntity({
  name: 'MonitoringWindow',
  tableName: 'monitoring_window',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    deploymentId: p.uuid(),
    windowFrom: p.datetime(),
    windowTo: p.datetime(),
    rows: p.integer(),
    requests: p.bigint('number'),
    report: p.json<WindowReport>(),
  },
});
export type MonitoringWindow = InferEntity<typeof MonitoringWindow>;
