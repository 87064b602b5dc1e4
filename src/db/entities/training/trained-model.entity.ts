import { defineEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { StoredTrainedModel } from '../../../modules/training/index.js';
import { double } from '../../columns.js';

/** The model that the training of a run has produced; each run has at most one. */
export const TrainedModelRow = defineEntity({
  name: 'TrainedModelRow',
  tableName: 'trained_model',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    runId: p.uuid(),
    datasetId: p.uuid(),
    format: p.enum(['ONNX']),
    files: p.json<StoredTrainedModel['files']>(),
    signature: p.json<StoredTrainedModel['signature']>(),
    metrics: p.json<StoredTrainedModel['metrics']>(),
    reference: p.json<StoredTrainedModel['reference']>(),
    agreementMaxAbsDiff: double().nullable(),
    rowCounts: p.json<StoredTrainedModel['rowCounts']>(),
    config: p.json<StoredTrainedModel['config']>(),
  },
});
