import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const Model = defineEntity({
  name: 'Model',
  tableName: 'model',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    name: p.text(),
    /** The folder of its versions' files: its first name, which no other model's folder has. */
    folder: p.text(),
    description: p.text().default(''),
    modelType: p.text(),
    framework: p.text(),
    task: p.enum(['CLASSIFICATION', 'REGRESSION', 'CLUSTERING', 'TEXT_GENERATION', 'OTHER']),
    /** True while no user has set the task: it is OTHER, or guessed from its versions' outputs. */
    taskGuessed: p.boolean().default(false),
    /** Earlier gate results do not count, because the task was different. */
    evidenceFrom: p.datetime().nullable(),
    /** The last version number; no number is used twice. */
    lastVersion: p.integer().default(0),
    /** Its changes to the default gate policy; null when it has none. */
    gatePolicy: p.json<Record<string, unknown>>().nullable(),
    tags: p.json<Record<string, string>>().onCreate(() => ({})),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type Model = InferEntity<typeof Model>;
