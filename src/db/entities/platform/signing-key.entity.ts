import { defineEntity, p } from '@mikro-orm/core';

/** A key that signs access tokens of all tenants. No request can read it. */
export const SigningKey = defineEntity({
  name: 'SigningKey',
  tableName: 'signing_key',
  properties: {
    id: p.uuid().primary(),
    createdAt: p.datetime().defaultRaw('clock_timestamp()'),
    secret: p.text(),
  },
});
