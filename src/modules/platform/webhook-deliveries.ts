import type { EntityManager } from '@mikro-orm/postgresql';
import type { OutboxSubscriber } from './event.service.js';
import { addDeliveries, webhooksFor } from './stores/webhook-deliveries.js';
import type { WebhookFormats } from './webhook-message.js';

/** The topic on which every worker learns that there is something to send. */
export const DELIVERIES_WAITING = 'webhook-deliveries-waiting';

/** Makes one delivery for each event and each webhook that subscribes to it. */
export const webhookSubscriber = (formats: WebhookFormats): OutboxSubscriber => ({
  onNumbered: async (em, eventIds) => ((await createDeliveries(em, eventIds, formats)) ? DELIVERIES_WAITING : null),
});

async function createDeliveries(
  em: EntityManager,
  eventIds: readonly string[],
  formats: WebhookFormats,
): Promise<boolean> {
  const wanted = (await webhooksFor(em, eventIds)).filter(({ format, mlflowEvents, type, payload }) => {
    if (format === 'STANDARD') return true;
    const name = formats[format].nameOf(type, payload);
    return name !== null && mlflowEvents?.includes(name);
  });
  if (wanted.length === 0) return false;
  await addDeliveries(em, wanted);
  return true;
}
