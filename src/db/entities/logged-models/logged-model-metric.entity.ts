import { defineEntity, p } from '@mikro-orm/core';
import { double } from '../../columns.js';

/** One value of a metric of a logged model. The dataset name is empty when none was given. */
export const LoggedModelMetric = defineEntity({
  name: 'LoggedModelMetric',
  tableName: 'logged_model_metric',
  properties: {
    tenant: p.text(),
    loggedModelId: p.uuid().primary(),
    runId: p.uuid().primary(),
    key: p.text().primary(),
    step: p.bigint('number').primary(),
    loggedAt: p.datetime().primary(),
    value: double().primary(),
    datasetName: p.text().primary().default(''),
    datasetDigest: p.text().primary().default(''),
  },
});
