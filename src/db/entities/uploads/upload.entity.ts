import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const Upload = defineEntity({
  name: 'Upload',
  tableName: 'upload',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    fileName: p.text(),
    objectKey: p.text(),
    sizeBytes: p.bigint('number'),
    sha256: p.text(),
    createdBy: p.text(),
  },
});
export type Upload = InferEntity<typeof Upload>;
