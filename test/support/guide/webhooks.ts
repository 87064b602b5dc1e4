import { Role } from '../../../src/modules/core/rules/principal.js';
import type { CreateWebhookInput, WebhookDeliveriesQuery } from '../../../schema/generated/operations.js';
import type { Guide } from './recorder.js';

/** A receiver that does not exist: the log says so. */
export async function webhooksChapter(guide: Guide, { modelId }: { modelId: string }): Promise<void> {
  const as = Role.ADMIN;
  guide.chapter(
    'Webhooks',
    'Other services are told of events by signed messages: [how to receive and verify them](webhooks.md). For admins.',
  );
  guide.task(
    'Tell another service',
    '`url` must be a public https address; here it is one that nobody has. The secret is shown this once.',
  );
  const input: CreateWebhookInput = {
    name: 'deploy bot',
    url: 'https://hooks.example.com/models',
    eventTypes: ['MODEL_STAGE_CHANGED', 'MODEL_DRIFT_DETECTED'],
    modelId,
  };
  const { createWebhook } = await guide.run('createWebhook', { input }, { as });
  const { id } = createWebhook.webhook;
  guide.task('Try it', 'A ping is a message like any other, but tried once; the log shows what became of it.');
  await guide.run('testWebhook', { id }, { as });
  const wanted = ({ webhook }: WebhookDeliveriesQuery) => webhook.deliveries.nodes[0]?.status === 'FAILED';
  const { webhook } = await guide.until('webhookDeliveries', { id, first: 10 }, wanted, { as });
  guide.task('Send it again');
  await guide.run('redeliverWebhookDelivery', { deliveryId: webhook.deliveries.nodes[0]!.id }, { as });
  guide.task('Give it a new secret', 'For a day each message is signed with both.');
  await guide.run('rotateWebhookSecret', { id }, { as });
}
