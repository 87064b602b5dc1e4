import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { type ColumnSchema, DATASET_FORMATS, type FileReading } from '../../../modules/model-contract/index.js';

export const Dataset = defineEntity({
  name: 'Dataset',
  tableName: 'dataset',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    name: p.text(),
    version: p.integer(),
    description: p.text().default(''),
    format: p.enum(DATASET_FORMATS),
    objectKey: p.text(),
    sizeBytes: p.bigint('number'),
    sha256: p.text(),
    rowCount: p.bigint('number'),
    columns: p.json<ColumnSchema[]>(),
    /** How the file was read; null for datasets that were registered before this was recorded. */
    reading: p.json<FileReading>().nullable(),
    /**
     * The table that was made from a CSV or JSON file. Null for Parquet, and for older datasets until their first use.
     */
    tableKey: p.text().nullable(),
    tableSizeBytes: p.bigint('number').nullable(),
    tableSha256: p.text().nullable(),
    source: p.text(),
    createdBy: p.text(),
  },
});
export type Dataset = InferEntity<typeof Dataset>;
