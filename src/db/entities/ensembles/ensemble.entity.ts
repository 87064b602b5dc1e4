import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import type { StoredCombination, StoredHoldout, StoredReport } from '../../../modules/ensembles/index.js';

/** How a version combines others. Its id is the id of the job that made it. */
export const Ensemble = defineEntity({
  name: 'Ensemble',
  tableName: 'ensemble',
  properties: {
    id: p.uuid().primary(),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    modelVersionId: p.uuid(),
    method: p.text(),
    /** The dataset on whose rows it was compared with its members; null after its deletion. */
    datasetId: p.uuid().nullable(),
    /** The training whose holdout no member has learnt from; null when there is none. */
    holdout: p.json<StoredHoldout>().columnType('json').nullable(),
    report: p.json<StoredReport>().columnType('json'),
    /** How the answers of its members become one; null for one of an earlier release. */
    combination: p.json<StoredCombination>().columnType('json').nullable(),
    createdBy: p.text(),
  },
});
export type Ensemble = InferEntity<typeof Ensemble>;
