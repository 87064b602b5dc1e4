import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';

/** Changes a setting of the database until the transaction ends. */
export async function setInTransaction(em: EntityManager, name: string, value: string): Promise<void> {
  const set = sql`set_config(${name}, ${value}, true)`.as('value');
  await em.getKysely().selectNoFrom(set).execute();
}
