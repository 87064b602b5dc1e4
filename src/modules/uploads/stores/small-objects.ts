import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { SmallObject } from '../../../db/entities/uploads/small-object.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(SmallObject);

export async function insertContent({ em, tenant }: Session, key: string, content: Buffer): Promise<void> {
  await tables(em).insertInto('small_object').values({ key, tenant, content }).execute();
}

export async function contentOf(em: EntityManager, key: string): Promise<Buffer | null> {
  const row = await tables(em).selectFrom('small_object').select('content').where('key', '=', key).executeTakeFirst();
  return row ? Buffer.from(row.content) : null;
}

export async function deleteContent(em: EntityManager, key: string): Promise<void> {
  await tables(em).deleteFrom('small_object').where('key', '=', key).execute();
}

/** The next keys with this prefix, in order. */
export async function keysAfter(em: EntityManager, prefix: string, after: string, limit: number): Promise<string[]> {
  const rows = await tables(em)
    .selectFrom('small_object')
    .select('key')
    .where(sql<boolean>`starts_with(key, ${prefix})`)
    .where('key', '>', after)
    .orderBy('key')
    .limit(limit)
    .execute();
  return rows.map(({ key }) => key);
}
