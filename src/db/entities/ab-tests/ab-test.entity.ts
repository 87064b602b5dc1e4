import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { Decision, TestRules } from '../../../modules/ab-tests/index.js';
import { double } from '../../columns.js';

/** A comparison of deployments of one endpoint on its traffic, divided by routing key. */
export const AbTest = defineEntity({
  name: 'AbTest',
  tableName: 'ab_test',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    updatedAt: p.datetime().onCreate(() => new Date()),
    name: p.text(),
    endpointId: p.uuid(),
    status: p.enum(['PLANNED', 'RUNNING', 'DECIDED', 'STOPPED']),
    /** Fixed from the start on; until then without the planned keys (0). */
    rules: p.json<TestRules>(),
    /** In units of the primary metric. */
    minimumEffect: double(),
    power: double(),
    /** Of a key's value of the primary metric; null until the start when it is measured. */
    standardDeviation: double().nullable(),
    keysPerDay: double().nullable(),
    minHours: double(),
    maxHours: double(),
    whenDecided: p.enum(['KEEP_WEIGHTS', 'ROUTE_TO_WINNER']),
    /** From then on, predictions count; a whole second. */
    startedAt: p.datetime().nullable(),
    endedAt: p.datetime().nullable(),
    nextLookAt: p.datetime().nullable(),
    decision: p.json<Decision>().nullable(),
    createdBy: p.text(),
    /** Routing keys that it has seen, with those before its start. */
    keyRows: p.bigint('number').default(0),
    /** Rows for its outcomes: one per key and metric, and one per outcome with an id. */
    outcomeRows: p.bigint('number').default(0),
  },
});
export type AbTest = InferEntity<typeof AbTest>;
