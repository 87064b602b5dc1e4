import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { AlertKind } from '../../../modules/alerts/index.js';

export const RetrainingPolicy = defineEntity({
  name: 'RetrainingPolicy',
  tableName: 'retraining_policy',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    modelId: p.uuid(),
    datasetName: p.text(),
    enabled: p.boolean().default(true),
    alertKinds: p.json<AlertKind[]>(),
    cooldownMs: p.bigint('number'),
    budgetPer30Days: p.integer().fieldName('budget_per_30_days'),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type RetrainingPolicy = InferEntity<typeof RetrainingPolicy>;
