import { Event } from '../../db/entities/platform/event.entity.js';
import { Webhook } from '../../db/entities/platform/webhook.entity.js';
import { WebhookDelivery } from '../../db/entities/platform/webhook-delivery.entity.js';
import type { Batches } from './batches.js';
import { firstPages } from './first-pages.js';

export function createPlatformLoaders(batches: Batches) {
  return {
    event: batches.byId(Event),
    webhook: batches.byId(Webhook),
    /** First pages, newest first. */
    webhookDeliveries: batches.of(firstPages(WebhookDelivery, 'webhookId', { field: 'createdAt', direction: 'DESC' })),
  };
}
