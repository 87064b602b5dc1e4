import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

/** A token that the service has issued. The token itself is not stored. */
export const AccessToken = defineEntity({
  name: 'AccessToken',
  tableName: 'access_token',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    name: p.text(),
    role: p.enum(['VIEWER', 'ENGINEER', 'ADMIN']),
    scope: p.enum(['EVERYTHING', 'READ', 'PREDICT', 'WRITE_RUN']),
    /** For the scope PREDICT. */
    endpointIds: p.json<string[]>().default([]),
    /** For the scope WRITE_RUN, while the run exists. */
    runId: p.uuid().nullable(),
    expiresAt: p.datetime(),
    lastUsedAt: p.datetime().nullable(),
    revokedAt: p.datetime().nullable(),
    createdBy: p.text(),
  },
});
export type AccessToken = InferEntity<typeof AccessToken>;
