import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';
import { prepareAs } from './pool.js';

/**
 * Runs SQL of our own in the transaction of `em`, for bulk and windowed statements that an ORM would only get in the
 * way of. `?` stand for parameters, which travel apart from the text; arrays are PostgreSQL arrays. Columns whose names
 * end in `At` are timestamps and come back as Dates.
 */
export async function sql<T extends object>(em: EntityManager, text: string, params: unknown[] = []): Promise<T[]> {
  const { rows } = await em.getKysely().executeQuery<T>(CompiledQuery.raw(numbered(text), params));
  for (const row of rows) toDates(row as Record<string, unknown>);
  return rows;
}

/**
 * The same for a statement whose text and whose best plan are always the same: each connection parses and plans it once
 * under its name. Not for one whose plan depends on what its parameters are.
 */
export function preparedSql<T extends object>(
  em: EntityManager,
  name: string,
  text: string,
  params: unknown[],
): Promise<T[]> {
  prepareAs(name, numbered(text));
  return sql<T>(em, text, params);
}

function numbered(text: string): string {
  let n = 0;
  return text.replaceAll('?', () => `$${++n}`);
}

function toDates(row: Record<string, unknown>): void {
  for (const key in row) {
    const value = row[key];
    if (typeof value === 'string' && key.endsWith('At')) row[key] = new Date(value);
  }
}
