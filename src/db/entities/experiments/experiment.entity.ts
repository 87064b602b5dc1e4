import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const Experiment = defineEntity({
  name: 'Experiment',
  tableName: 'experiment',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    name: p.text(),
    description: p.text().default(''),
    tags: p.json<Record<string, string>>().onCreate(() => ({})),
    state: p.enum(['ACTIVE', 'DELETED']).default('ACTIVE'),
    /** Every tenant has one, for runs that name no experiment. */
    isDefault: p.boolean().default(false),
    /** The folder where clients store artifacts of its runs themselves; null for the store of this service. */
    artifactLocation: p.text().nullable(),
    deletedAt: p.datetime().nullable(),
    /** The job that imports it from an archive. Until the import is complete, the experiment is marked as deleted. */
    importJobId: p.uuid().nullable(),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type Experiment = InferEntity<typeof Experiment>;
