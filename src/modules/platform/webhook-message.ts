import { MLFLOW_EXAMPLES, mlflowBody, mlflowHeaders, toMlflowMessage } from './rules/mlflow-webhooks.js';
import { signedHeaders } from '../core/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { ClaimedDelivery } from './webhook-deliveries.js';

const COMMON = { 'content-type': 'application/json', 'user-agent': 'matih-ml-webhooks/1' };

/** What goes over the wire, signed for this attempt. */
export function messageOf(delivery: ClaimedDelivery, sentAt: Date): { headers: Record<string, string>; body: string } {
  const { id, secret, previousSecret } = delivery;
  switch (delivery.format) {
    case 'STANDARD': {
      const body = JSON.stringify(standardBody(delivery));
      const secrets = [secret, ...(previousSecret ? [previousSecret] : [])];
      return { headers: { ...COMMON, ...signedHeaders(id, sentAt, body, secrets) }, body };
    }
    case 'MLFLOW': {
      const body = mlflowBodyOf(delivery);
      return { headers: { ...COMMON, ...mlflowHeaders(id, sentAt, body, secret) }, body };
    }
  }
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

function mlflowBodyOf({ type, payload, mlflowEvents, createdAt, happenedAt }: ClaimedDelivery): string {
  const [first] = mlflowEvents ?? [];
  if (type === null && first) return mlflowBody({ event: first, data: MLFLOW_EXAMPLES[first] }, createdAt);
  const message = type === null ? null : toMlflowMessage(type, payload ?? {});
  // Deliveries are made only for events that MLflow tells.
  if (!message) throw new AppError(ErrorCode.INTERNAL, 'This event has no form in MLflow’s words.');
  return mlflowBody(message, happenedAt ?? createdAt);
}
