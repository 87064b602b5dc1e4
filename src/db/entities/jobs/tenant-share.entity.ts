import { defineEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { double } from '../../columns.js';

/**
 * What belongs to a tenant when several tenants want the same machines: each time it is set is a row, and the newest
 * one counts. A tenant without a row has weight 1.
 */
export const TenantShare = defineEntity({
  name: 'TenantShare',
  tableName: 'tenant_share',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    weight: double(),
    /** Amounts by resource; an absent one is no limit. */
    quota: p.json<Partial<Record<'cores' | 'memoryBytes' | 'gpus', number>>>(),
    borrowingLimit: p.json<Partial<Record<'cores' | 'memoryBytes' | 'gpus', number>>>(),
    createdBy: p.text(),
  },
});
