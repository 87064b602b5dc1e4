import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

/** What the log has of one deployment in one hour, as a Parquet file. */
export const RequestLogFile = defineEntity({
  name: 'RequestLogFile',
  tableName: 'request_log_file',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    endpointId: p.uuid(),
    deploymentId: p.uuid(),
    modelVersionId: p.uuid(),
    /** Its start. */
    hour: p.datetime(),
    requests: p.bigint('number'),
    rows: p.bigint('number'),
    objectKey: p.text(),
    sizeBytes: p.bigint('number'),
    sha256: p.text(),
  },
});
export type RequestLogFile = InferEntity<typeof RequestLogFile>;
