import { WebhookDelivery } from '../../db/entities/platform/webhook-delivery.entity.js';
import type { Session } from '../../db/database.js';
import { checkPageSize, encodeCursor, type Page } from '../../db/pagination.js';
import { sql } from '../../db/sql.js';

const ORDER = { field: 'createdAt', direction: 'DESC' } as const;

export interface WebhookDeliveriesKey {
  webhookId: string;
  status: WebhookDelivery['status'] | null;
  first: number | null;
}

/** The first page of each webhook's deliveries, newest first: two statements per page size and status, however many webhooks there are. */
export async function firstDeliveries(session: Session, keys: readonly WebhookDeliveriesKey[]): Promise<Page<WebhookDelivery>[]> {
  const found = new Map<WebhookDeliveriesKey, Page<WebhookDelivery>>();
  for (const [, same] of Map.groupBy(keys, ({ status, first }) => `${status} ${first}`)) {
    const ids = same.map(({ webhookId }) => webhookId);
    const pages = await firstPages(session, ids, same[0]!.status, same[0]!.first);
    same.forEach((key, i) => found.set(key, pages[i]!));
  }
  return keys.map((key) => found.get(key)!);
}

async function firstPages(
  session: Session,
  webhookIds: readonly string[],
  status: WebhookDelivery['status'] | null,
  first: number | null | undefined,
): Promise<Page<WebhookDelivery>[]> {
  const size = checkPageSize(first);
  const { tenant } = session;
  const ranked = await sql<{ id: string }>(
    session.em,
    `select d.id from unnest(?::uuid[]) w(id) cross join lateral (
       select id from webhook_delivery where tenant = ? and webhook_id = w.id and status = coalesce(?, status)
       order by created_at desc, id desc limit ?) d`,
    [[...webhookIds], tenant, status, size + 1],
  );
  const found = await session.em.find(
    WebhookDelivery,
    { tenant, id: { $in: ranked.map(({ id }) => id) } },
    { orderBy: [{ createdAt: 'DESC' }, { id: 'DESC' }] },
  );
  const byWebhook = Map.groupBy(found, ({ webhookId }) => webhookId);
  return webhookIds.map((webhookId) => {
    const rows = byWebhook.get(webhookId) ?? [];
    const nodes = rows.slice(0, size);
    return {
      nodes,
      cursors: nodes.map(({ createdAt, id }) => encodeCursor(ORDER, createdAt, id)),
      hasNextPage: rows.length > size,
      totalCount: (reader) => reader.em.count(WebhookDelivery, { tenant, webhookId, ...(status !== null && { status }) }),
    };
  });
}
