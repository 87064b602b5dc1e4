import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const DirectUpload = defineEntity({
  name: 'DirectUpload',
  tableName: 'direct_upload',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    fileName: p.text(),
    objectKey: p.text(),
    /** The object store's id of the upload. */
    storeUploadId: p.text(),
    partCount: p.integer(),
    /** The announced size; null when it was not announced. */
    sizeBytes: p.bigint('number').nullable(),
    /** The destination; all null for an upload that a mutation will use. */
    runId: p.uuid().nullable(),
    loggedModelId: p.uuid().nullable(),
    path: p.text().nullable(),
    createdBy: p.text(),
  },
});
export type DirectUpload = InferEntity<typeof DirectUpload>;
