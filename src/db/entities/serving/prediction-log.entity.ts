import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { double } from '../../columns.js';

/**
 * What was answered, row by row; the value of a regression, and of two classes the second's probability, are the
 * scores.
 */
export interface LoggedAnswers {
  kind: 'CLASSES' | 'VALUES' | 'CLUSTERS' | 'OTHER';
  labels?: string[];
  /** Probabilities per row; 0 when there are none. */
  classCount?: number;
  /** Of more than two classes. */
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
    /** Null for one that failed, and for those that earlier versions have logged. */
    answers: p.json<LoggedAnswers>().nullable(),
  },
});
export type PredictionLog = InferEntity<typeof PredictionLog>;
