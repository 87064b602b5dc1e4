import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

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
    latencyMs: p.float(),
    errorCode: p.text().nullable(),
    inputs: p.json<Record<string, unknown[]>>(),
    scores: p.json<number[]>(),
  },
});
export type PredictionLog = InferEntity<typeof PredictionLog>;
