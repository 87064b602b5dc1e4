import { z } from 'zod';
import type { Webhook } from '../../../db/entities/platform/webhook.entity.js';
import type { WebhookDelivery } from '../../../db/entities/platform/webhook-delivery.entity.js';
import { UUID, Role } from '../../../modules/core/index.js';
import { MLFLOW_WEBHOOK_EVENTS, type MlflowWebhookEvent } from './webhook-format.js';
import { ErrorCode } from '../../../errors.js';
import { jsonEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { doesNotExist, instead, invalidParameter, MlflowError, whenAbsent } from '../errors.js';
import { checkMaxResults } from '../pages.js';
import { integer, optionalString, repeated, requiredString, string } from '../protobuf-json.js';

const DEFAULT_PAGE = 100;
const LARGEST_PAGE = 500;
/** Longer than one attempt may take. */
const TEST_PATIENCE_MS = 15_000;
const TEST_POLL_MS = 50;

const sentEvent = z.object({ entity: requiredString, action: requiredString });
const named = z.object({ webhook_id: requiredString });
const changes = { description: optionalString, secret: optionalString, status: optionalString };

export const webhookEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['POST'],
    '/mlflow/webhooks',
    Role.ADMIN,
    z.object({ name: requiredString, url: requiredString, events: repeated(sentEvent), ...changes }),
    async (call, { name, url, events, description, secret, status }) => {
      const mlflow = { ...eventsOf(events), description: description ?? '', secret: secret ?? '' };
      const enabled = enabledOf(status) ?? true;
      const create = call.run((session) =>
        call.services.webhooks.createForMlflow(session, { name, url, enabled, ...mlflow }),
      );
      return { webhook: toWebhook(await create.catch(alreadyExists(name))) };
    },
  ),
  jsonEndpoint(
    ['GET'],
    '/mlflow/webhooks',
    Role.ADMIN,
    z.object({ max_results: integer, page_token: string }),
    async (call, { max_results: limit, page_token: after }) => {
      checkMaxResults(limit ?? DEFAULT_PAGE, LARGEST_PAGE);
      const page = { first: limit ?? DEFAULT_PAGE, after: after || null };
      const order = { field: 'createdAt', direction: 'DESC' } as const;
      const { nodes, cursors, hasNextPage } = await call.run((session) =>
        call.services.webhooks.list(session, { format: 'MLFLOW' }, page, order),
      );
      return {
        ...(nodes.length > 0 && { webhooks: nodes.map(toWebhook) }),
        ...(hasNextPage && { next_page_token: cursors.at(-1) }),
      };
    },
  ),
  jsonEndpoint(['GET'], '/mlflow/webhooks/:webhook_id', Role.ADMIN, named, async (call, { webhook_id: id }) => ({
    webhook: toWebhook(await find(call, id)),
  })),
  jsonEndpoint(
    ['PATCH'],
    '/mlflow/webhooks/:webhook_id',
    Role.ADMIN,
    z.object({ webhook_id: requiredString, name: string, url: string, events: repeated(sentEvent), ...changes }),
    async (call, { webhook_id: text, name, url, events, description, secret, status }) => {
      const { id } = await find(call, text);
      const change = { id, name: name || null, url: url || null, description, secret, enabled: enabledOf(status) };
      const mlflow = events.length > 0 ? eventsOf(events) : null;
      const update = call.run((session) => call.services.webhooks.update(session, { ...change, mlflow }));
      return { webhook: toWebhook(await update.catch(alreadyExists(name))) };
    },
  ),
  jsonEndpoint(['DELETE'], '/mlflow/webhooks/:webhook_id', Role.ADMIN, named, async (call, { webhook_id: text }) => {
    const { id } = await find(call, text);
    await call.run((session) => call.services.webhooks.delete(session, id));
    return {};
  }),
  jsonEndpoint(['POST'], '/mlflow/webhooks/:webhook_id/test', Role.ADMIN, named, async (call, { webhook_id: text }) => {
    const { id } = await find(call, text);
    const sent = await call.run((session) => call.services.webhooks.test(session, id));
    const { status, responseStatus, responseBody, error } = await outcomeOf(call, sent.id);
    const answer =
      responseStatus === null ? { error_message: error ?? 'No answer yet.' } : { response_status: responseStatus };
    return {
      result: {
        success: status === 'DELIVERED',
        ...answer,
        ...(responseBody != null && { response_body: responseBody }),
      },
    };
  }),
];

/** Finds a webhook that was created through this protocol; others have events that MLflow does not have. */
async function find(call: Call, id: string): Promise<Webhook> {
  const absent = () => doesNotExist(`Webhook with ID ${id} not found.`);
  if (!UUID.test(id)) throw absent();
  const webhook = await call.run((session) => call.services.webhooks.get(session, id)).catch(whenAbsent(absent));
  if (webhook.format !== 'MLFLOW') throw absent();
  return webhook;
}

function eventsOf(sent: { entity: string; action: string }[]): {
  mlflowEvents: MlflowWebhookEvent[];
  eventTypes: string[];
} {
  if (sent.length === 0)
    throw invalidParameter(
      "Missing value for required parameter 'events'. See the API docs for more information about request parameters.",
    );
  const names = sent.map(({ entity, action }) => {
    const name = `${entity}.${action}`.toLowerCase();
    if (Object.hasOwn(MLFLOW_WEBHOOK_EVENTS, name)) return name as MlflowWebhookEvent;
    throw invalidParameter(
      `This service has no event '${name}'. Webhooks may be told of ${Object.keys(MLFLOW_WEBHOOK_EVENTS).join(', ')}.`,
    );
  });
  const mlflowEvents = [...new Set(names)];
  return { mlflowEvents, eventTypes: [...new Set(mlflowEvents.map((name) => MLFLOW_WEBHOOK_EVENTS[name]))] };
}

function enabledOf(status: string | null | undefined): boolean | null {
  if (status == null || status === '') return null;
  if (status !== 'ACTIVE' && status !== 'DISABLED')
    throw invalidParameter(`Invalid webhook status: ${status}. It must be ACTIVE or DISABLED.`);
  return status === 'ACTIVE';
}

const alreadyExists = (name: string) =>
  instead(ErrorCode.CONFLICT, (error) =>
    error.details.field === 'input.name'
      ? new MlflowError('RESOURCE_ALREADY_EXISTS', `Webhook (name=${name}) already exists.`)
      : error,
  );

/** A worker sends the message; this waits for the outcome. */
async function outcomeOf(call: Call, deliveryId: string): Promise<WebhookDelivery> {
  for (
    const deadlineMs = Date.now() + TEST_PATIENCE_MS;
    ;
    await new Promise((resolve) => setTimeout(resolve, TEST_POLL_MS))
  ) {
    const delivery = await call.run((session) => call.services.webhooks.getDelivery(session, deliveryId));
    if (delivery.status !== 'PENDING' || Date.now() > deadlineMs) return delivery;
  }
}

function toWebhook({ id, name, description, url, mlflowEvents, enabled, createdAt, updatedAt }: Webhook): object {
  return {
    webhook_id: id,
    name,
    ...(description && { description }),
    url,
    events: (mlflowEvents ?? []).map((event) => {
      const [entity, action] = event.toUpperCase().split('.');
      return { entity, action };
    }),
    status: enabled ? 'ACTIVE' : 'DISABLED',
    creation_timestamp: createdAt.getTime(),
    last_updated_timestamp: updatedAt.getTime(),
  };
}
