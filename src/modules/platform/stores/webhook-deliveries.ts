import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { Event } from '../../../db/entities/platform/event.entity.js';
import { WebhookDelivery } from '../../../db/entities/platform/webhook-delivery.entity.js';
import { Webhook } from '../../../db/entities/platform/webhook.entity.js';
import { anyOf, databaseTime, tablesOf, unnested } from '../../../db/tables.js';

const tables = tablesOf(Event, Webhook, WebhookDelivery);

/**
 * A delivery that this process has claimed, with everything that its message needs. For a ping, all fields of the event
 * are null.
 */
export type ClaimedDelivery = Awaited<ReturnType<typeof claimDue>>[number];

/** Each of these events with each webhook that subscribes to its type and model, in their order. */
export function webhooksFor(em: EntityManager, eventIds: readonly string[]) {
  return tables(em)
    .selectFrom('event as e')
    .innerJoin('webhook as w', 'w.tenant', 'e.tenant')
    .select(['e.tenant', 'w.id as webhookId', 'e.id as eventId', 'w.format', 'w.mlflow_events as mlflowEvents'])
    .select(['e.type', 'e.payload'])
    .where('e.id', '=', anyOf('uuid', eventIds))
    .where('w.enabled', '=', true)
    .where(sql<boolean>`w.event_types @> to_jsonb(e.type)`)
    .where((where) => where.or([where('w.model_id', 'is', null), where('w.model_id', '=', where.ref('e.model_id'))]))
    .orderBy('e.seq')
    .execute();
}

/** The same again adds nothing. */
export async function addDeliveries(
  em: EntityManager,
  deliveries: readonly { tenant: string; webhookId: string; eventId: string }[],
): Promise<void> {
  const rows = deliveries.map(({ tenant, webhookId, eventId }) => ({ id: uuidv7(), tenant, webhookId, eventId }));
  const types = { id: 'uuid', tenant: 'text', webhookId: 'uuid', eventId: 'uuid' } as const;
  await tables(em)
    .insertInto('webhook_delivery')
    .columns(['id', 'tenant', 'webhook_id', 'event_id'])
    .expression((select) =>
      select.selectFrom(unnested('d', types, rows)).select(['d.id', 'd.tenant', 'd.webhookId', 'd.eventId']),
    )
    .onConflict((on) => on.doNothing())
    .execute();
}

/**
 * Claims due deliveries for `leaseMs`, at most `perWebhook` for one receiver. If a worker takes longer, another one
 * claims them. `attempts` is a fence: the outcome of an older attempt is not written.
 */
export function claimDue(
  em: EntityManager,
  { limit, perWebhook, busy, leaseMs }: { limit: number; perWebhook: number; busy: readonly string[]; leaseMs: number },
) {
  return tables(em)
    .with('due', (from) =>
      from
        .selectFrom('webhook as w')
        .crossJoinLateral((lateral) =>
          lateral
            .selectFrom('webhook_delivery')
            .select(['id', 'next_attempt_at'])
            .whereRef('webhook_id', '=', 'w.id')
            .where('status', '=', 'PENDING')
            .where('next_attempt_at', '<=', databaseTime())
            .orderBy('next_attempt_at')
            .limit(perWebhook)
            .forUpdate()
            .skipLocked()
            .as('d'),
        )
        .select(['d.id', 'd.next_attempt_at'])
        .where('w.id', '<>', sql<string>`all(${busy}::uuid[])`)
        .orderBy('d.next_attempt_at')
        .limit(limit),
    )
    .with('claimed', (from) =>
      from
        .updateTable('webhook_delivery as d')
        .from('due')
        .set((set) => ({ attempts: set('d.attempts', '+', 1), next_attempt_at: databaseTime(leaseMs) }))
        .whereRef('d.id', '=', 'due.id')
        .returning(['d.id', 'd.tenant', 'd.attempts', 'd.created_at', 'd.webhook_id', 'd.event_id']),
    )
    .selectFrom('claimed as c')
    .innerJoin('webhook as w', 'w.id', 'c.webhook_id')
    .leftJoin('event as e', 'e.id', 'c.event_id')
    .select(['c.id', 'c.tenant', 'c.attempts', 'c.created_at as createdAt', 'w.id as webhookId', 'w.url', 'w.enabled'])
    .select(['w.secret', 'w.format', 'w.mlflow_events as mlflowEvents'])
    .select((select) =>
      select
        .case()
        .when('w.previous_secret_until', '>', databaseTime())
        .then(select.ref('w.previous_secret'))
        .end()
        .as('previousSecret'),
    )
    .select(['e.id as eventId', 'e.type', 'e.seq', 'e.subject_type as subjectType', 'e.subject_id as subjectId'])
    .select(['e.model_id as modelId', 'e.endpoint_id as endpointId', 'e.payload', 'e.created_at as happenedAt'])
    .execute();
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
  { id, tenant, attempts }: Pick<ClaimedDelivery, 'id' | 'tenant' | 'attempts'>,
  { status, delayMs, responseStatus, responseBody, error, durationMs }: Outcome,
): Promise<boolean> {
  const { numUpdatedRows } = await tables(em)
    .updateTable('webhook_delivery')
    .set({
      ...{ status, response_status: responseStatus, response_body: responseBody, error, duration_ms: durationMs },
      next_attempt_at: databaseTime(delayMs),
      ended_at: status === 'PENDING' ? null : databaseTime(),
    })
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .where('attempts', '=', attempts)
    .where('status', '=', 'PENDING')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
