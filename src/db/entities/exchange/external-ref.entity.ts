import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const ExternalRef = defineEntity({
  name: 'ExternalRef',
  tableName: 'external_ref',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    /** The address of the other tracking server. */
    server: p.text(),
    kind: p.enum(['EXPERIMENT', 'RUN', 'MODEL', 'MODEL_VERSION', 'LOGGED_MODEL']),
    externalId: p.text(),
    localId: p.uuid(),
    /** How much of it was transferred. */
    synced: p.json<Record<string, unknown>>().onCreate(() => ({})),
  },
});
export type ExternalRef = InferEntity<typeof ExternalRef>;
