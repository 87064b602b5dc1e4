import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const Artifact = defineEntity({
  name: 'Artifact',
  tableName: 'artifact',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    runId: p.uuid().nullable(),
    modelVersionId: p.uuid().nullable(),
    jobId: p.uuid().nullable(),
    loggedModelId: p.uuid().nullable(),
    path: p.text(),
    objectKey: p.text(),
    sizeBytes: p.bigint('number'),
    sha256: p.text(),
    contentType: p.text(),
  },
});
export type Artifact = InferEntity<typeof Artifact>;
