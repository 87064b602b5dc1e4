import { LockMode } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Canary } from '../../../db/entities/rollouts/canary.entity.js';
import type { Session } from '../../../db/database.js';
import { databaseTime, tablesOf } from '../../../db/tables.js';
import { noteWritten } from '../../../db/written.js';
import { CANARY_STATUS } from '../rules/canary-status.js';

const tables = tablesOf(Canary);

export interface DueCanary {
  id: string;
  tenant: string;
  endpointId: string;
  createdBy: string;
}

/** The only function that changes the status of a canary. CONFLICT when its current status does not allow it. */
export async function changeCanaryStatus(
  { em, tenant }: Session,
  canary: Canary,
  status: Canary['status'],
  reason: string,
): Promise<void> {
  const now = new Date();
  const endedAt = CANARY_STATUS.isFinal(status) ? now : null;
  const changed = await tables(em)
    .updateTable('canary')
    .set({ status, reason, ended_at: endedAt, updated_at: now })
    .where('tenant', '=', tenant)
    .where('id', '=', canary.id)
    .where('status', 'in', CANARY_STATUS.before(status))
    .returning('id')
    .execute();
  if (changed.length === 0) throw CANARY_STATUS.refusal(canary.status, status);
  noteWritten(canary, { status, reason, endedAt, updatedAt: now });
}

export function lockCanary({ em, tenant }: Session, id: string): Promise<Canary | null> {
  return em.findOne(Canary, { id, tenant }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
}

/**
 * Takes canaries of all tenants that are due for a look, each for one process: when it dies, the next look is due after
 * `everyMs` as well.
 */
export function takeDueCanaries(em: EntityManager, limit: number, everyMs: number): Promise<DueCanary[]> {
  return tables(em)
    .updateTable('canary')
    .set({ look_at: databaseTime(everyMs) })
    .where('id', 'in', (from) =>
      from
        .selectFrom('canary')
        .select('id')
        .where('ended_at', 'is', null)
        .where('look_at', '<=', databaseTime())
        .orderBy('look_at')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .returning(['id', 'tenant', 'endpoint_id as endpointId', 'created_by as createdBy'])
    .execute();
}

/** Takes the turn to ask the webhook of a canary; false when another process has it, or asked a short time ago. */
export async function takeTurnToAsk({ em, tenant }: Session, id: string, everyMs: number): Promise<boolean> {
  const taken = await tables(em)
    .updateTable('canary')
    .set({ asked_at: databaseTime() })
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .where('status', '=', 'WAITING_FOR_APPROVAL')
    .where((where) => where.or([where('asked_at', 'is', null), where('asked_at', '<', databaseTime(-everyMs))]))
    .returning('id')
    .execute();
  return taken.length > 0;
}
