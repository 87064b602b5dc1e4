import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';

/**
 * Runs our own SQL in the transaction of `em`, for bulk and windowed statements where an ORM would only get in the
 * way. `?` are parameters, which are sent separately; arrays are PostgreSQL arrays. The remaining uses will become
 * typed: write new queries with `tablesOf`, or with `statement` where the builder cannot express them.
 */
export async function sql<T extends object>(em: EntityManager, text: string, params: unknown[] = []): Promise<T[]> {
  const { rows } = await em.getKysely().executeQuery<T>(CompiledQuery.raw(numbered(text), params));
  return rows;
}

function numbered(text: string): string {
  let n = 0;
  return text.replaceAll('?', () => `$${++n}`);
}
