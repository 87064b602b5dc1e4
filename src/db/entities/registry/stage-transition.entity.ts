import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const StageTransition = defineEntity({
  name: 'StageTransition',
  tableName: 'stage_transition',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    modelId: p.uuid(),
    modelVersionId: p.uuid(),
    fromStage: p.enum(['DEVELOPMENT', 'STAGING', 'PRODUCTION', 'ARCHIVED']),
    toStage: p.enum(['DEVELOPMENT', 'STAGING', 'PRODUCTION', 'ARCHIVED']),
    reason: p.text().default(''),
    override: p.boolean().default(false),
    createdBy: p.text(),
  },
});
export type StageTransition = InferEntity<typeof StageTransition>;
