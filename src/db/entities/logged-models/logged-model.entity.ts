import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const LoggedModel = defineEntity({
  name: 'LoggedModel',
  tableName: 'logged_model',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    experimentId: p.uuid(),
    /** The run that created the model. */
    runId: p.uuid().nullable(),
    name: p.text(),
    status: p.enum(['PENDING', 'READY', 'FAILED']).default('PENDING'),
    statusMessage: p.text().nullable(),
    modelType: p.text().nullable(),
    params: p.json<Record<string, string>>().onCreate(() => ({})),
    tags: p.json<Record<string, string>>().onCreate(() => ({})),
    state: p.enum(['ACTIVE', 'DELETED']).default('ACTIVE'),
    deletedAt: p.datetime().nullable(),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type LoggedModel = InferEntity<typeof LoggedModel>;
