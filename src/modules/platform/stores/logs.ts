import type { EntityManager } from '@mikro-orm/postgresql';
import { AccessToken } from '../../../db/entities/platform/access-token.entity.js';
import { AuditLog } from '../../../db/entities/platform/audit-log.entity.js';
import { WebhookDelivery } from '../../../db/entities/platform/webhook-delivery.entity.js';
import { tablesOf } from '../../../db/tables.js';
import { firstIdAt } from '../rules/first-id.js';

const tables = tablesOf(AccessToken, AuditLog, WebhookDelivery);

/** These functions delete the oldest rows from before a time, and return how many. */

export async function deleteOldAuditEntries(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .with('old', (from) =>
      from
        .selectFrom('audit_log')
        .select('id')
        .where('id', '<', firstIdAt(before))
        .where('created_at', '<', before)
        .orderBy('id')
        .limit(limit),
    )
    .deleteFrom('audit_log')
    .using('old')
    .whereRef('audit_log.id', '=', 'old.id')
    .executeTakeFirst();
  return Number(numDeletedRows);
}

export async function deleteEndedTokens(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .with('old', (from) =>
      from.selectFrom('access_token').select('id').where('expires_at', '<', before).orderBy('expires_at').limit(limit),
    )
    .deleteFrom('access_token')
    .using('old')
    .whereRef('access_token.id', '=', 'old.id')
    .executeTakeFirst();
  return Number(numDeletedRows);
}

export async function deleteOldDeliveries(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .with('old', (from) => from.selectFrom('webhook_delivery').select('id').where('ended_at', '<', before).limit(limit))
    .deleteFrom('webhook_delivery')
    .using('old')
    .whereRef('webhook_delivery.id', '=', 'old.id')
    .executeTakeFirst();
  return Number(numDeletedRows);
}
