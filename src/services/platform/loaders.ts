import { Event } from '../../db/entities/platform/event.entity.js';
import { Webhook } from '../../db/entities/platform/webhook.entity.js';
import type { Batches } from './batches.js';
import { firstDeliveries } from './first-deliveries.js';

export function createPlatformLoaders(batches: Batches) {
  return {
    event: batches.byId(Event),
    webhook: batches.byId(Webhook),
    /** First pages, newest first. */
    webhookDeliveries: batches.of(firstDeliveries),
  };
}
