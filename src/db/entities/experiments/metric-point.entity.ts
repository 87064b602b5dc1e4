import { defineEntity, p } from '@mikro-orm/core';
import { double } from '../../columns.js';

export const MetricPoint = defineEntity({
  name: 'MetricPoint',
  tableName: 'metric_point',
  properties: {
    tenant: p.text(),
    runId: p.uuid().primary(),
    key: p.text().primary(),
    step: p.bigint('number').primary(),
    loggedAt: p.datetime().primary(),
    value: double().primary(),
    /** The place of the point among all points of its run, in the order of arrival. */
    seq: p.bigint('number'),
  },
});
