import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import type { WebhookDelivery } from '../../db/entities/platform/webhook-delivery.entity.js';
import { sql } from '../../db/sql.js';
import type { OutboxSubscriber } from './event.service.js';
import type { WebhookFormats } from './webhook-message.js';

/** The topic on which every worker learns that there is something to send. */
export const DELIVERIES_WAITING = 'webhook-deliveries-waiting';

/** A delivery that this process has claimed, with everything that its message needs. */
export interface ClaimedDelivery {
  id: string;
  tenant: string;
  /** A fence: the outcome of an older attempt is not written. */
  attempts: number;
  createdAt: Date;
  webhookId: string;
  url: string;
  enabled: boolean;
  format: 'STANDARD' | 'MLFLOW';
  mlflowEvents: string[] | null;
  secret: string;
  /** Null when no previous secret is valid. */
  previousSecret: string | null;
  /** Null for a ping, like the fields below. */
  eventId: string | null;
  type: string | null;
  seq: number | null;
  subjectType: string | null;
  subjectId: string | null;
  modelId: string | null;
  endpointId: string | null;
  payload: Record<string, unknown> | null;
  happenedAt: Date | null;
}

/** Makes one delivery for each event and each webhook that subscribes to it. */
export const webhookSubscriber = (formats: WebhookFormats): OutboxSubscriber => ({
  onNumbered: async (em, eventIds) => ((await createDeliveries(em, eventIds, formats)) ? DELIVERIES_WAITING : null),
});

async function createDeliveries(
  em: EntityManager,
  eventIds: readonly string[],
  formats: WebhookFormats,
): Promise<boolean> {
  const matching = await sql<{
    tenant: string;
    webhookId: string;
    eventId: string;
    format: ClaimedDelivery['format'];
    mlflowEvents: string[] | null;
    type: string;
    payload: Record<string, unknown>;
  }>(
    em,
    `select e.tenant, w.id as "webhookId", e.id as "eventId", w.format, w.mlflow_events as "mlflowEvents", e.type,
      e.payload from event e join webhook w on w.tenant = e.tenant
     where e.id = any(?::uuid[]) and w.enabled and w.event_types @> to_jsonb(e.type) and (w.model_id is null
       or w.model_id = e.model_id)
     order by e.seq`,
    [[...eventIds]],
  );
  const wanted = matching.filter(({ format, mlflowEvents, type, payload }) => {
    if (format === 'STANDARD') return true;
    const name = formats[format].nameOf(type, payload);
    return name !== null && mlflowEvents?.includes(name);
  });
  if (wanted.length === 0) return false;
  await sql(
    em,
    `insert into webhook_delivery (id, tenant, webhook_id, event_id)
     select * from unnest(?::uuid[], ?::text[], ?::uuid[], ?::uuid[]) on conflict do nothing`,
    [
      wanted.map(() => uuidv7()),
      wanted.map(({ tenant }) => tenant),
      wanted.map(({ webhookId }) => webhookId),
      wanted.map((row) => row.eventId),
    ],
  );
  return true;
}

/**
 * Claims due deliveries for `leaseMs`, at most `perWebhook` for one receiver. If a worker takes longer, another one
 * claims them.
 */
export async function claimDue(
  em: EntityManager,
  { limit, perWebhook, busy, leaseMs }: { limit: number; perWebhook: number; busy: readonly string[]; leaseMs: number },
): Promise<ClaimedDelivery[]> {
  return sql<ClaimedDelivery>(
    em,
    `with due as (
       select d.id, d.next_attempt_at from webhook w cross join lateral (
         select id, next_attempt_at from webhook_delivery where webhook_id = w.id and status = 'PENDING'
           and next_attempt_at <= clock_timestamp()
         order by next_attempt_at limit ? for update skip locked) d
       where w.id <> all(?::uuid[]) order by d.next_attempt_at limit ?
     ), claimed as (
       update webhook_delivery d set attempts = attempts + 1,
         next_attempt_at = clock_timestamp() + ? * interval '1 millisecond'
       from due where d.id = due.id returning d.id, d.tenant, d.attempts, d.created_at, d.webhook_id, d.event_id
     )
     select c.id, c.tenant, c.attempts, c.created_at as "createdAt", w.id as "webhookId", w.url, w.enabled,
       w.secret, w.format, w.mlflow_events as "mlflowEvents",
       case when w.previous_secret_until > clock_timestamp() then w.previous_secret end as "previousSecret",
       e.id as "eventId", e.type, e.seq::float8 as seq, e.subject_type as "subjectType", e.subject_id as "subjectId",
       e.model_id as "modelId", e.endpoint_id as "endpointId", e.payload, e.created_at as "happenedAt"
     from claimed c join webhook w on w.id = c.webhook_id left join event e on e.id = c.event_id`,
    [perWebhook, [...busy], limit, leaseMs],
  );
}

/** The outcome of an attempt. */
export interface Outcome {
  status: WebhookDelivery['status'];
  /** Time until the next attempt, when the status is PENDING. */
  delayMs: number;
  responseStatus: number | null;
  responseBody: string | null;
  error: string | null;
  durationMs: number;
}

/** False when another attempt has replaced this one, or when the webhook was deleted. */
export async function writeOutcome(
  em: EntityManager,
  { id, tenant, attempts }: ClaimedDelivery,
  outcome: Outcome,
): Promise<boolean> {
  const { status, delayMs, responseStatus, responseBody, error, durationMs } = outcome;
  const rows = await sql<{ id: string }>(
    em,
    `update webhook_delivery set status = ?, next_attempt_at = clock_timestamp() + ? * interval '1 millisecond',
      response_status = ?,
       response_body = ?, error = ?, duration_ms = ?, ended_at = case when ? then clock_timestamp() end
     where id = ? and tenant = ? and attempts = ? and status = 'PENDING' returning id`,
    [status, delayMs, responseStatus, responseBody, error, durationMs, status !== 'PENDING', id, tenant, attempts],
  );
  return rows.length > 0;
}
