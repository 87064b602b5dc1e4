import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const Checkpoint = defineEntity({
  name: 'Checkpoint',
  tableName: 'checkpoint',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    jobId: p.uuid(),
    attempt: p.integer(),
    epoch: p.integer(),
    objectKey: p.text(),
    sizeBytes: p.bigint('number'),
    sha256: p.text(),
  },
});
export type Checkpoint = InferEntity<typeof Checkpoint>;
