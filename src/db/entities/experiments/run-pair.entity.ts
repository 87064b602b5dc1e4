import { defineEntity, p } from '@mikro-orm/core';
import { computedBigint, computedText } from '../../columns.js';

/** Parameters and tags have the same columns. */
const PAIR_COLUMNS = {
  tenant: p.text(),
  runId: p.uuid().primary(),
  key: p.text().primary(),
  value: p.text(),
  /** A value can be too long for an index, so its beginning is indexed. */
  valueStart: computedText('left(value, 100)'),
  /** One hash of tenant, key and value: it finds the runs that have the pair. */
  pairHash: computedBigint('hashtextextended(value, hashtextextended(key, hashtextextended(tenant, 0)))'),
};

export const RunParam = defineEntity({ name: 'RunParam', tableName: 'run_param', properties: PAIR_COLUMNS });

export const RunTag = defineEntity({ name: 'RunTag', tableName: 'run_tag', properties: PAIR_COLUMNS });
