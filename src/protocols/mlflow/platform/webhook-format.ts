import { createHmac } from 'node:crypto';
import type { z } from 'zod';
import { AppError, ErrorCode } from '../../../errors.js';
import { toHexId } from '../../../modules/core/index.js';
import type { ClaimedDelivery, WebhookFormat } from '../../../modules/platform/index.js';
import { REGISTRY_EVENTS } from '../../../modules/registry/index.js';

const { MODEL_CREATED, MODEL_REGISTERED, MODEL_TAG_CHANGED, MODEL_ALIAS_CHANGED } = REGISTRY_EVENTS;

/** The events of MLflow's webhooks that this service has, each with its event type. */
export const MLFLOW_WEBHOOK_EVENTS = {
  'registered_model.created': MODEL_CREATED.name,
  'model_version.created': MODEL_REGISTERED.name,
  'model_version_tag.set': MODEL_TAG_CHANGED.name,
  'model_version_tag.deleted': MODEL_TAG_CHANGED.name,
  'model_version_alias.created': MODEL_ALIAS_CHANGED.name,
  'model_version_alias.deleted': MODEL_ALIAS_CHANGED.name,
} as const;

/** The parts of event payloads that MLflow's messages contain; the rest is ignored. */
const REGISTERED = MODEL_REGISTERED.payload.omit({ semanticVersion: true });
const ALIAS_CHANGED = MODEL_ALIAS_CHANGED.payload.omit({ previousVersionId: true, by: true });

export type MlflowWebhookEvent = keyof typeof MLFLOW_WEBHOOK_EVENTS;

interface MlflowMessage {
  event: MlflowWebhookEvent;
  data: Record<string, unknown>;
}

/** An event in MLflow's format; null when MLflow has no such event. */
function toMlflowMessage(type: string, payload: Record<string, unknown>): MlflowMessage | null {
  switch (type) {
    case MODEL_CREATED.name: {
      const told = read(MODEL_CREATED.payload, payload);
      if (!told) return null;
      const { modelName: name, tags, description } = told;
      return { event: 'registered_model.created', data: { name, tags, description: description || null } };
    }
    case MODEL_REGISTERED.name: {
      const told = read(REGISTERED, payload);
      if (!told) return null;
      const { modelName: name, version, sourceUri, runId, tags, description } = told;
      const data = { name, version: String(version), source: sourceUri ?? '', run_id: runId ? toHexId(runId) : null };
      return { event: 'model_version.created', data: { ...data, tags, description: description || null } };
    }
    case MODEL_TAG_CHANGED.name: {
      const told = read(MODEL_TAG_CHANGED.payload, payload);
      // MLflow reports only tags of versions.
      if (told?.version == null) return null;
      const { modelName: name, version, key, value } = told;
      const data = { name, version: String(version), key };
      if (value === null) return { event: 'model_version_tag.deleted', data };
      return { event: 'model_version_tag.set', data: { ...data, value } };
    }
    case MODEL_ALIAS_CHANGED.name: {
      const told = read(ALIAS_CHANGED, payload);
      if (!told) return null;
      const { modelName: name, alias, version } = told;
      if (version === null) return { event: 'model_version_alias.deleted', data: { name, alias } };
      return { event: 'model_version_alias.created', data: { name, alias, version: String(version) } };
    }
    default:
      return null;
  }
}

/**
 * Null for a payload of another form, which another release of this service wrote: MLflow's clients do not get this
 * event.
 */
function read<Payload extends z.ZodType>(shape: Payload, stored: unknown): z.output<Payload> | null {
  return shape.safeParse(stored).data ?? null;
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
