import { signedHeaders } from '../core/index.js';
import type { ClaimedDelivery } from './stores/webhook-deliveries.js';

export interface WebhookMessage {
  headers: Record<string, string>;
  body: string;
}

/** The form of webhook messages of another service, which its clients expect. */
export interface WebhookFormat {
  /** The format's own name of an event; null when it has no such event. */
  nameOf(type: string, payload: Record<string, unknown>): string | null;
  /** The message of one attempt, signed. */
  messageOf(delivery: ClaimedDelivery, sentAt: Date): WebhookMessage;
}

/** The formats by the `format` of a webhook. */
export type WebhookFormats = Record<Exclude<ClaimedDelivery['format'], 'STANDARD'>, WebhookFormat>;

const COMMON = { 'content-type': 'application/json', 'user-agent': 'matih-ml-webhooks/1' };

export function messageOf(delivery: ClaimedDelivery, sentAt: Date, formats: WebhookFormats): WebhookMessage {
  const { id, secret, previousSecret, format } = delivery;
  if (format !== 'STANDARD') {
    const { headers, body } = formats[format].messageOf(delivery, sentAt);
    return { headers: { ...COMMON, ...headers }, body };
  }
  const body = JSON.stringify(standardBody(delivery));
  const secrets = [secret, ...(previousSecret ? [previousSecret] : [])];
  return { headers: { ...COMMON, ...signedHeaders(id, sentAt, body, secrets) }, body };
}

/** The event as the API shows it. */
function standardBody(delivery: ClaimedDelivery): Record<string, unknown> {
  const {
    id,
    webhookId,
    eventId,
    type,
    seq,
    subjectType,
    subjectId,
    modelId,
    endpointId,
    payload,
    createdAt,
    happenedAt,
  } = delivery;
  if (eventId === null)
    return {
      id,
      type: 'PING',
      createdAt,
      seq,
      subject: { type: 'webhook', id: webhookId },
      modelId,
      endpointId,
      payload: {},
    };
  return {
    id: eventId,
    type,
    createdAt: happenedAt,
    seq,
    subject: { type: subjectType, id: subjectId },
    modelId,
    endpointId,
    payload,
  };
}
