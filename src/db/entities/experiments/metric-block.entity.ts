import { defineEntity, p } from '@mikro-orm/core';
import { double } from '../../columns.js';

/** How much of a long metric the blocks cover; the first read of the metric creates it. */
export const MetricSummary = defineEntity({
  name: 'MetricSummary',
  tableName: 'metric_summary',
  properties: {
    tenant: p.text().primary(),
    runId: p.uuid().primary(),
    key: p.text().primary(),
    /** Number of points per block. */
    width: p.bigint('number'),
    nextSeq: p.bigint('number'),
  },
});

/** The lowest and the highest value of one block of a long metric. */
export const MetricBlock = defineEntity({
  name: 'MetricBlock',
  tableName: 'metric_block',
  properties: {
    tenant: p.text(),
    runId: p.uuid().primary(),
    key: p.text().primary(),
    block: p.bigint('number').primary(),
    low: double(),
    lowSeq: p.bigint('number'),
    high: double(),
    highSeq: p.bigint('number'),
    nanSeq: p.bigint('number'),
  },
});
