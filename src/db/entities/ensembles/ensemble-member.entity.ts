import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const EnsembleMember = defineEntity({
  name: 'EnsembleMember',
  tableName: 'ensemble_member',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    ensembleId: p.uuid(),
    /** The version that the ensemble is. */
    modelVersionId: p.uuid(),
    /** The member; null after its deletion. The ensemble keeps its copy of it. */
    memberVersionId: p.uuid().nullable(),
    /** From 0, as in the report. */
    position: p.integer(),
    /** Model and number of the member. */
    name: p.text(),
  },
});
export type EnsembleMember = InferEntity<typeof EnsembleMember>;
