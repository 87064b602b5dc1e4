import { defineEntity, p } from '@mikro-orm/core';

/** How many tokens a tenant may use on a day, in UTC: the newest row counts. */
export const TokenBudget = defineEntity({
  name: 'TokenBudget',
  tableName: 'token_budget',
  properties: {
    tenant: p.text().primary(),
    setAt: p.datetime().primary(),
    /** Null: no limit of the tenant's own. */
    tokensPerDay: p.bigint('number').nullable(),
  },
});

/** How many it has used. */
export const TokenUse = defineEntity({
  name: 'TokenUse',
  tableName: 'token_use',
  properties: {
    tenant: p.text().primary(),
    /** Its begin. */
    day: p.datetime().primary(),
    tokens: p.bigint('number'),
  },
});
