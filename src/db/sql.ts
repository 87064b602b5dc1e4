import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';

/**
 * Runs SQL in the transaction of `em`, for bulk and windowed statements that the ORM does not support well. `?` marks
 * parameters, which are sent separately; arrays are PostgreSQL arrays. The remaining uses will become typed: write new
 * queries with `tablesOf`, or with `statement` when the builder cannot express them.
 */
export async function sql<T extends object>(em: EntityManager, text: string, params: unknown[] = []): Promise<T[]> {
  const { rows } = await em.getKysely().executeQuery<T>(CompiledQuery.raw(numbered(text), params));
  return rows;
}

function numbered(text: string): string {
  let n = 0;
  return text.replaceAll('?', () => `$${++n}`);
}
