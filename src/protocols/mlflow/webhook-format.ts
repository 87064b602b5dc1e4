import { createHmac } from 'node:crypto';
import { AppError, ErrorCode } from '../../errors.js';
import { toHexId } from '../../modules/core/index.js';
import { EventType, type ClaimedDelivery, type WebhookFormat } from '../../modules/platform/index.js';

/** The events of MLflow's webhooks that this service has, each with its event type. */
export const MLFLOW_WEBHOOK_EVENTS = {
  'registered_model.created': EventType.MODEL_CREATED,
  'model_version.created': EventType.MODEL_REGISTERED,
  'model_version_tag.set': EventType.MODEL_TAG_CHANGED,
  'model_version_tag.deleted': EventType.MODEL_TAG_CHANGED,
  'model_version_alias.created': EventType.MODEL_ALIAS_CHANGED,
  'model_version_alias.deleted': EventType.MODEL_ALIAS_CHANGED,
} as const satisfies Record<string, EventType>;

export type MlflowWebhookEvent = keyof typeof MLFLOW_WEBHOOK_EVENTS;

/** The payloads that the services write for these events. */
interface RegistryPayload {
  modelName: string;
  version: number | null;
  description: string;
  tags: Record<string, string>;
  sourceUri: string | null;
  runId: string | null;
  alias: string;
  key: string;
  value: string | null;
}

interface MlflowMessage {
  event: MlflowWebhookEvent;
  data: Record<string, unknown>;
}

/** An event in MLflow's format; null when MLflow has no such event. */
function toMlflowMessage(type: string, payload: Record<string, unknown>): MlflowMessage | null {
  const {
    modelName: name,
    version: number,
    description,
    tags,
    sourceUri,
    runId,
    alias,
    key,
    value,
  } = payload as unknown as RegistryPayload;
  const version = String(number);
  switch (type) {
    case EventType.MODEL_CREATED:
      return { event: 'registered_model.created', data: { name, tags, description: description || null } };
    case EventType.MODEL_REGISTERED: {
      const run_id = runId ? toHexId(runId) : null;
      return {
        event: 'model_version.created',
        data: { name, version, source: sourceUri ?? '', run_id, tags, description: description || null },
      };
    }
    case EventType.MODEL_TAG_CHANGED:
      // MLflow reports only tags of versions.
      if (number === null) return null;
      if (value === null) return { event: 'model_version_tag.deleted', data: { name, version, key } };
      return { event: 'model_version_tag.set', data: { name, version, key, value } };
    case EventType.MODEL_ALIAS_CHANGED:
      if (number === null) return { event: 'model_version_alias.deleted', data: { name, alias } };
      return { event: 'model_version_alias.created', data: { name, alias, version } };
    default:
      return null;
  }
}

/** The payload of a test message, as MLflow's own server sends it. */
const MLFLOW_EXAMPLES: Record<string, Record<string, unknown>> = {
  'registered_model.created': {
    name: 'example_model',
    tags: { example_key: 'example_value' },
    description: 'An example registered model',
  },
  'model_version.created': {
    name: 'example_model',
    version: '1',
    source: 'models:/123',
    run_id: 'abcd1234abcd5678',
    tags: { example_key: 'example_value' },
    description: 'An example model version',
  },
  'model_version_tag.set': { name: 'example_model', version: '1', key: 'example_key', value: 'example_value' },
  'model_version_tag.deleted': { name: 'example_model', version: '1', key: 'example_key' },
  'model_version_alias.created': { name: 'example_model', alias: 'example_alias', version: '1' },
  'model_version_alias.deleted': { name: 'example_model', alias: 'example_alias' },
};

function mlflowBody({ event, data }: MlflowMessage, at: Date): string {
  const [entity, action] = event.split('.');
  return JSON.stringify({ entity, action, timestamp: at.toISOString(), data });
}

/** The same signature as for other webhooks, with the secret's text as the key; none without a secret. */
function mlflowHeaders(deliveryId: string, sentAt: Date, body: string, secret: string): Record<string, string> {
  const timestamp = String(Math.floor(sentAt.getTime() / 1000));
  const signature = createHmac('sha256', secret).update(`${deliveryId}.${timestamp}.${body}`).digest('base64');
  return {
    'x-mlflow-delivery-id': deliveryId,
    'x-mlflow-timestamp': timestamp,
    ...(secret !== '' && { 'x-mlflow-signature': `v1,${signature}` }),
  };
}

function bodyOf({ type, payload, mlflowEvents, createdAt, happenedAt }: ClaimedDelivery): string {
  const [first] = mlflowEvents ?? [];
  const example = first === undefined ? undefined : MLFLOW_EXAMPLES[first as MlflowWebhookEvent];
  if (type === null && example) return mlflowBody({ event: first as MlflowWebhookEvent, data: example }, createdAt);
  const message = type === null ? null : toMlflowMessage(type, payload ?? {});
  // Deliveries are created only for events that MLflow has.
  if (!message) throw new AppError(ErrorCode.INTERNAL, 'MLflow has no webhook message for this event.');
  return mlflowBody(message, happenedAt ?? createdAt);
}

/** Webhooks that MLflow's clients created get the messages of MLflow's own server. */
export const mlflowWebhooks: WebhookFormat = {
  nameOf: (type, payload) => toMlflowMessage(type, payload)?.event ?? null,
  messageOf: (delivery, sentAt) => {
    const body = bodyOf(delivery);
    return { headers: mlflowHeaders(delivery.id, sentAt, body, delivery.secret), body };
  },
};
