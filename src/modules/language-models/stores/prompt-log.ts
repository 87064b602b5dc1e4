import type { EntityManager } from '@mikro-orm/postgresql';
import { PromptLog } from '../../../db/entities/language-models/prompt-log.entity.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(PromptLog);

/** Deletes old rows of all tenants, at most `limit`. Returns how many it deleted. */
export async function deleteOldPrompts(em: EntityManager, before: Date, limit: number): Promise<number> {
  const { numDeletedRows } = await tables(em)
    .deleteFrom('prompt_log')
    .where('id', 'in', (from) =>
      from.selectFrom('prompt_log').select('id').where('created_at', '<', before).orderBy('created_at').limit(limit),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}
