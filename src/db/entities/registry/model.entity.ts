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
    /** Where its versions' files are; what it was called first, and of no other model. */
    folder: p.text(),
    description: p.text().default(''),
    modelType: p.text(),
    framework: p.text(),
    task: p.enum(['CLASSIFICATION', 'REGRESSION', 'CLUSTERING', 'OTHER']),
    /** Whether no user set the task: it is OTHER or derived from its versions' outputs. */
    taskGuessed: p.boolean().default(false),
    /** Gates decided before count no more: the task was another. */
    evidenceFrom: p.datetime().nullable(),
    /** The last version number; none is used twice. */
    lastVersion: p.integer().default(0),
    /** Where it departs from the default gates; null for those. */
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
