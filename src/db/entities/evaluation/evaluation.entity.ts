import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { EvaluationReport } from '../../../modules/model-quality/index.js';

export const Evaluation = defineEntity({
  name: 'Evaluation',
  tableName: 'evaluation',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    modelVersionId: p.uuid(),
    baselineVersionId: p.uuid().nullable(),
    datasetId: p.uuid(),
    report: p.json<EvaluationReport>().columnType('json'),
    markdownKey: p.text(),
    createdBy: p.text(),
  },
});
export type Evaluation = InferEntity<typeof Evaluation>;
