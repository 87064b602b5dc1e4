import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { double } from '../../columns.js';

/**
 * The answers, row by row. The scores are the values of a regression or, for two classes, the probabilities of the
 * second one.
 */
export interface LoggedAnswers {
  kind: 'CLASSES' | 'VALUES' | 'CLUSTERS' | 'OTHER';
  labels?: string[];
  /** Number of probabilities per row; 0 when there are none. */
  classCount?: number;
  /** For more than two classes. */
  probabilities?: (number | null)[][];
}

export const PredictionLog = defineEntity({
  name: 'PredictionLog',
  tableName: 'prediction_log',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    endpointId: p.uuid(),
    deploymentId: p.uuid(),
    modelVersionId: p.uuid(),
    mode: p.text(),
    requestId: p.text(),
    rows: p.integer(),
    latencyMs: double(),
    errorCode: p.text().nullable(),
    inputs: p.json<Record<string, unknown[]>>(),
    scores: p.json<(number | null)[]>(),
    /** Null for a request that failed, and for requests that earlier releases have logged. */
    answers: p.json<LoggedAnswers>().nullable(),
  },
});
export type PredictionLog = InferEntity<typeof PredictionLog>;
