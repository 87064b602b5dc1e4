import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const ModelAlias = defineEntity({
  name: 'ModelAlias',
  tableName: 'model_alias',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    modelId: p.uuid(),
    alias: p.text(),
    modelVersionId: p.uuid(),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type ModelAlias = InferEntity<typeof ModelAlias>;
