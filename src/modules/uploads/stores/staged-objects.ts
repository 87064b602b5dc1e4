import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { StagedObject } from '../../../db/entities/uploads/staged-object.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, databaseTime, tablesOf, unnested } from '../../../db/tables.js';

const tables = tablesOf(StagedObject);

/** False when the key was staged before; its time is then set to now. */
export async function stageKey({ em, tenant }: Session, key: string): Promise<boolean> {
  const { isNew } = await tables(em)
    .insertInto('staged_object')
    .values({ tenant, object_key: key })
    .onConflict((on) => on.column('object_key').doUpdateSet({ created_at: databaseTime() }))
    .returning(sql<boolean>`xmax = 0`.as('isNew'))
    .executeTakeFirstOrThrow();
  return isNew;
}

/**
 * Stages keys as if this had happened `ageMs` ago. The keys are unique and sorted, so that two calls cannot deadlock.
 */
export async function stageKeys({ em, tenant }: Session, keys: readonly string[], ageMs: number): Promise<void> {
  const rows = keys.map((key) => ({ key }));
  await tables(em)
    .insertInto('staged_object')
    .columns(['tenant', 'object_key', 'created_at'])
    .expression((select) =>
      select
        .selectFrom(unnested('k', { key: 'text' }, rows))
        .select([sql<string>`${tenant}`.as('tenant'), 'k.key', databaseTime(-ageMs).as('created_at')]),
    )
    .onConflict((on) => on.column('object_key').doUpdateSet((set) => ({ created_at: set.ref('excluded.created_at') })))
    .execute();
}

export async function stagedUnder({ em, tenant }: Session, prefix: string): Promise<string[]> {
  const rows = await tables(em)
    .selectFrom('staged_object')
    .select('object_key')
    .where('tenant', '=', tenant)
    .where(sql<boolean>`starts_with(object_key, ${prefix})`)
    .execute();
  return rows.map(({ object_key }) => object_key);
}

/** Removes these keys from the staged ones. Returns how many it removed. */
export async function unstage({ em, tenant }: Session, keys: readonly string[]): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .deleteFrom('staged_object')
    .where('tenant', '=', tenant)
    .where('object_key', '=', anyOf('text', keys))
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** The same for a key of any tenant that was staged at least `ageMs` ago; false when it does not exist. */
export async function unstageOld(em: EntityManager, key: string, ageMs: number): Promise<boolean> {
  const { numDeletedRows } = await tables(em)
    .deleteFrom('staged_object')
    .where('object_key', '=', key)
    .where('created_at', '<=', databaseTime(-ageMs))
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Keys that were staged longer ago than this, oldest first. */
export async function oldKeys(em: EntityManager, ageMs: number, limit: number): Promise<string[]> {
  const rows = await tables(em)
    .selectFrom('staged_object')
    .select('object_key')
    .where('created_at', '<', startedAgo(ageMs))
    .orderBy('created_at')
    .limit(limit)
    .execute();
  return rows.map(({ object_key }) => object_key);
}

/** Sets a key that is older than `ageMs` to this age. */
export async function makeYounger(em: EntityManager, key: string, ageMs: number, newAgeMs: number): Promise<void> {
  await tables(em)
    .updateTable('staged_object')
    .set({ created_at: databaseTime(-newAgeMs) })
    .where('object_key', '=', key)
    .where('created_at', '<', startedAgo(ageMs))
    .execute();
}

/** The time this long before the transaction began, in a form that can use an index. */
const startedAgo = (ageMs: number) => sql<Date>`now() - ${ageMs}::float8 * interval '1 millisecond'`;
