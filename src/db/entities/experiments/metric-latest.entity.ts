import { defineEntity, p } from '@mikro-orm/core';
import { double } from '../../columns.js';

/** The point of each metric with the highest step, for run search and tables. */
export const MetricLatest = defineEntity({
  name: 'MetricLatest',
  tableName: 'metric_latest',
  properties: {
    tenant: p.text(),
    runId: p.uuid().primary(),
    key: p.text().primary(),
    step: p.bigint('number'),
    loggedAt: p.datetime(),
    value: double(),
  },
});
