import { defineEntity, p } from '@mikro-orm/core';
import { double } from '../../columns.js';

/** The counters of a deployment for one minute. */
export const DeploymentMinute = defineEntity({
  name: 'DeploymentMinute',
  tableName: 'deployment_minute',
  properties: {
    tenant: p.text(),
    deploymentId: p.uuid().primary(),
    minute: p.datetime().primary(),
    requests: p.bigint('number').default(0),
    rows: p.bigint('number').default(0),
    errors: p.bigint('number').default(0),
    /** Number of requests in each bucket of the latency histogram. */
    latencyCounts: p.bigint('number').array(),
    disagreements: p.bigint('number').default(0),
    comparedRows: p.bigint('number').default(0),
    scoreSum: double().default(0),
    /** Sampled requests that the log lost, as its buffer was full or the database refused them. */
    unlogged: p.bigint('number').default(0),
  },
});
