import type { EntityManager } from '@mikro-orm/postgresql';
import { Alert } from '../../db/entities/alerts/alert.entity.js';
import type { Session } from '../../db/database.js';
import { tablesOf, toJson } from '../../db/tables.js';
import { noteWritten } from '../../db/written.js';
import { ALERT_STATUS } from './rules/alert-status.js';

const tables = tablesOf(Alert);

/**
 * The only function that changes the status of an alert. CONFLICT when its current status does not allow it, whatever
 * the transaction has read before.
 */
export async function resolveAlert(
  { em, tenant }: Session,
  alert: Alert,
  resolution: { by: string; reason: string },
): Promise<void> {
  const { id } = alert;
  const status = 'RESOLVED';
  const now = new Date();
  const details = { ...alert.details, resolution };
  const changed = await tables(em)
    .updateTable('alert')
    .set({ status, details: toJson<Record<string, unknown>>(details), resolved_at: now, updated_at: now })
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .where('status', 'in', ALERT_STATUS.before(status))
    .returning('id')
    .execute();
  if (changed.length === 0) {
    const query = tables(em).selectFrom('alert').select('status').where('tenant', '=', tenant).where('id', '=', id);
    const present = await query.executeTakeFirstOrThrow();
    throw ALERT_STATUS.refusal(present.status, status);
  }
  noteWritten(alert, { status, details, resolvedAt: now, updatedAt: now });
}

/** Counts of all tenants, by kind. */
export function countOpenAlerts(em: EntityManager) {
  return tables(em)
    .selectFrom('alert')
    .select((select) => ['kind', select.fn.countAll<number>().as('count')])
    .where('status', '=', 'OPEN')
    .groupBy('kind')
    .execute();
}
