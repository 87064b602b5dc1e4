import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { double } from '../../columns.js';

export const WebhookDelivery = defineEntity({
  name: 'WebhookDelivery',
  tableName: 'webhook_delivery',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    webhookId: p.uuid(),
    /** Null for a ping. */
    eventId: p.uuid().nullable(),
    /** 0 for the first delivery, one more for each redelivery that somebody requests. */
    redelivery: p.integer().default(0),
    status: p.enum(['PENDING', 'DELIVERED', 'FAILED']).default('PENDING'),
    attempts: p.integer().default(0),
    /** When the delivery is due; while it is being sent, when it counts as lost. */
    nextAttemptAt: p.datetime().onCreate(() => new Date()),
    responseStatus: p.integer().nullable(),
    /** The beginning of the response. */
    responseBody: p.text().nullable(),
    error: p.text().nullable(),
    durationMs: double().nullable(),
    endedAt: p.datetime().nullable(),
  },
});
export type WebhookDelivery = InferEntity<typeof WebhookDelivery>;
