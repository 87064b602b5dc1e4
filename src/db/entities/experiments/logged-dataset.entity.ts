import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const LoggedDataset = defineEntity({
  name: 'LoggedDataset',
  tableName: 'logged_dataset',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    runId: p.uuid(),
    direction: p.enum(['INPUT', 'OUTPUT']),
    name: p.text(),
    digest: p.text(),
    sourceType: p.text(),
    source: p.text(),
    schema: p.text().nullable(),
    profile: p.text().nullable(),
    tags: p.json<Record<string, string>>().onCreate(() => ({})),
    /** The registered dataset with this digest, when there is one. */
    datasetId: p.uuid().nullable(),
  },
});
export type LoggedDataset = InferEntity<typeof LoggedDataset>;
