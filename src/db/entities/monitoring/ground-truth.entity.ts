import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { double } from '../../columns.js';

/** An earlier ground truth that a newer one has replaced. */
export interface FormerGroundTruth {
  label: string | null;
  value: number | null;
  observedAt: string | null;
  recordedAt: string;
  recordedBy: string;
}

/** The true class or value of a predicted row. */
export const GroundTruth = defineEntity({
  name: 'GroundTruth',
  tableName: 'ground_truth',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    endpointId: p.uuid(),
    deploymentId: p.uuid(),
    /** The row of the prediction log, which may be deleted already. */
    predictionId: p.uuid(),
    requestId: p.text(),
    rowIndex: p.integer(),
    predictedAt: p.datetime(),
    label: p.text().nullable(),
    value: double().nullable(),
    predictedLabel: p.text().nullable(),
    predictedValue: double().nullable(),
    logLoss: double().nullable(),
    observedAt: p.datetime().nullable(),
    history: p.json<FormerGroundTruth[]>(),
    createdBy: p.text(),
    updatedAt: p.datetime(),
  },
});
export type GroundTruth = InferEntity<typeof GroundTruth>;
