import { defineEntity, p } from '@mikro-orm/core';
import type { ShownAnalysis } from '../../../modules/ab-tests/index.js';
import { double } from '../../columns.js';

/** What one routing key did in a test, and before its start. */
export const AbTestKey = defineEntity({
  name: 'AbTestKey',
  tableName: 'ab_test_key',
  properties: {
    tenant: p.text(),
    testId: p.uuid().primary(),
    key: p.text().primary(),
    /** The first deployment that answered it in the test; null for a key that was seen only before. */
    deploymentId: p.uuid().nullable(),
    /** Whether another one answered it, too. */
    isMixed: p.boolean(),
    requests: double(),
    errors: double(),
    latencyMs: double(),
    rows: double(),
    output: double(),
    pastRequests: double(),
    pastErrors: double(),
    pastLatencyMs: double(),
    pastRows: double(),
    pastOutput: double(),
  },
});

/** The recorded outcomes of one routing key. */
export const AbTestOutcome = defineEntity({
  name: 'AbTestOutcome',
  tableName: 'ab_test_outcome',
  properties: {
    tenant: p.text(),
    testId: p.uuid().primary(),
    metric: p.text().primary(),
    key: p.text().primary(),
    count: double(),
    total: double(),
    pastCount: double(),
    pastTotal: double(),
  },
});

/** The answers to one live request while a test needs them for ground truth, whether it is logged or not. */
export const AbTestAnswer = defineEntity({
  name: 'AbTestAnswer',
  tableName: 'ab_test_answer',
  properties: {
    tenant: p.text(),
    testId: p.uuid().primary(),
    /** Of the request; the log has the same. */
    id: p.uuid().primary(),
    key: p.text(),
    requestId: p.text(),
    deploymentId: p.uuid(),
    modelVersionId: p.uuid(),
    answeredAt: p.datetime(),
    /** By row: classes, or values. */
    labels: p.json<string[]>().nullable(),
    values: p.json<(number | null)[]>().nullable(),
  },
});

/** An outcome that came with an id. */
export const AbTestOutcomeId = defineEntity({
  name: 'AbTestOutcomeId',
  tableName: 'ab_test_outcome_id',
  properties: {
    tenant: p.text(),
    testId: p.uuid().primary(),
    id: p.text().primary(),
    /** What was said under the id, as one text that can be compared. */
    content: p.text(),
  },
});

/** A look at a test: what was known, and whether it spent α. */
export const AbTestLook = defineEntity({
  name: 'AbTestLook',
  tableName: 'ab_test_look',
  properties: {
    tenant: p.text(),
    testId: p.uuid().primary(),
    seq: p.bigint('number').primary(),
    createdAt: p.datetime(),
    /** The fraction of the planned keys of a look at which the test could be decided; null otherwise. */
    information: double().nullable(),
    analysis: p.json<ShownAnalysis>(),
  },
});
