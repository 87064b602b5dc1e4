import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';

/**
 * Runs SQL of our own in the transaction of `em`, for bulk and windowed statements that an ORM would only get in the
 * way of. `?` stand for parameters, which travel apart from the text; arrays are PostgreSQL arrays. What is left of it
 * becomes typed: write new queries with `tablesOf`, or with `statement` where the builder cannot say them.
 */
export async function sql<T extends object>(em: EntityManager, text: string, params: unknown[] = []): Promise<T[]> {
  const { rows } = await em.getKysely().executeQuery<T>(CompiledQuery.raw(numbered(text), params));
  return rows;
}

function numbered(text: string): string {
  let n = 0;
  return text.replaceAll('?', () => `$${++n}`);
}
