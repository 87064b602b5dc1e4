import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const Approval = defineEntity({
  name: 'Approval',
  tableName: 'approval',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    modelVersionId: p.uuid(),
    toStage: p.enum(['STAGING', 'PRODUCTION']),
    decision: p.enum(['APPROVED', 'REJECTED']),
    reason: p.text().default(''),
    createdBy: p.text(),
  },
});
export type Approval = InferEntity<typeof Approval>;
