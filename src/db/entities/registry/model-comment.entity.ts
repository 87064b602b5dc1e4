import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const ModelComment = defineEntity({
  name: 'ModelComment',
  tableName: 'model_comment',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    modelId: p.uuid(),
    modelVersionId: p.uuid().nullable(),
    body: p.text(),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type ModelComment = InferEntity<typeof ModelComment>;
