import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';

/** Holds the lock of this name until the transaction ends; another transaction that wants it waits. */
export async function holdLock(em: EntityManager, name: string): Promise<void> {
  const lock = sql`pg_advisory_xact_lock(hashtextextended(${name}, 0))`.as('lock');
  await em.getKysely().selectNoFrom(lock).execute();
}
