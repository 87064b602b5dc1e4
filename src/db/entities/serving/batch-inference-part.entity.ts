import { defineEntity, p } from '@mikro-orm/core';

/** Predictions for consecutive rows of a dataset, which an attempt has stored for later attempts. */
export const BatchInferencePart = defineEntity({
  name: 'BatchInferencePart',
  tableName: 'batch_inference_part',
  properties: {
    tenant: p.text(),
    jobId: p.uuid().primary(),
    /** The number of the row after its last row. It begins where the previous part ends. */
    endRow: p.bigint('number').primary(),
    createdAt: p.datetime().defaultRaw(`date_trunc('milliseconds', clock_timestamp())`),
    attempt: p.integer(),
    objectKey: p.text(),
    sizeBytes: p.bigint('number'),
    sha256: p.text(),
  },
});
