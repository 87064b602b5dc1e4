import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const RunDataset = defineEntity({
  name: 'RunDataset',
  tableName: 'run_dataset',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    runId: p.uuid(),
    datasetId: p.uuid(),
    role: p.enum(['TRAINING', 'EVALUATION', 'BATCH_INPUT']),
  },
});
export type RunDataset = InferEntity<typeof RunDataset>;
