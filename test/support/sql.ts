import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery } from 'kysely';

/** Sends SQL of a test in the transaction of `em`; `?` are its parameters. */
export async function sql<T extends object>(em: EntityManager, text: string, params: unknown[] = []): Promise<T[]> {
  const { rows } = await em.getKysely().executeQuery<T>(CompiledQuery.raw(numbered(text), params));
  return rows;
}

function numbered(text: string): string {
  let n = 0;
  return text.replaceAll('?', () => `$${++n}`);
}
