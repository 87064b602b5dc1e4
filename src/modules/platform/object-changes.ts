import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { ObjectChange as Change } from '../../db/entities/platform/object-change.entity.js';
import type { Session, Touched } from '../../db/database.js';
import { tablesOf } from '../../db/tables.js';

const tables = tablesOf(Change);

/** An object that a committed transaction has changed. */
export interface ObjectChange {
  tenant: string;
  type: string;
  objectId: string;
}

/** Writes the changes of a transaction to the outbox. Call in this transaction. */
export async function writeChanges(em: EntityManager, tenant: string, touched: readonly Touched[]): Promise<void> {
  const objects = new Map(touched.map(({ type, id }) => [`${type} ${id}`, { type, object_id: id }]));
  await tables(em)
    .insertInto('object_change')
    .values([...objects.values()].map((object) => ({ id: uuidv7(), tenant, ...object })))
    .execute();
}

/**
 * Takes the oldest changes from the outbox, at most `limit`, except those that another process takes at the same time.
 */
export function takeChanges(em: EntityManager, limit: number): Promise<ObjectChange[]> {
  return tables(em)
    .with('taken', (from) =>
      from.selectFrom('object_change').select('id').orderBy('id').limit(limit).forUpdate().skipLocked(),
    )
    .deleteFrom('object_change')
    .where('id', 'in', (from) => from.selectFrom('taken').select('id'))
    .returning(['tenant', 'type', 'object_id as objectId'])
    .execute();
}

/**
 * The number of objects of these types whose changes the subscribers have not received, and the time of the oldest
 * change.
 */
export function waitingChanges({ em, tenant }: Session, types: readonly string[]) {
  return tables(em)
    .selectFrom('object_change')
    .select((select) => [
      select.fn.count<number>('object_id').distinct().as('objects'),
      select.fn.min('changed_at').as('oldestAt'),
    ])
    .where('tenant', '=', tenant)
    .where('type', 'in', types)
    .executeTakeFirstOrThrow();
}
