import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import type { Session } from '../../db/database.js';
import { tablesOf } from '../../db/tables.js';

const tables = tablesOf(Dataset);

/** The greatest number of a dataset's versions; 0 when it has none. */
export async function greatestVersion({ em, tenant }: Session, name: string): Promise<number> {
  const { version } = await tables(em)
    .selectFrom('dataset')
    .select((select) => select.fn.max('version').as('version'))
    .where('tenant', '=', tenant)
    .where('name', '=', name)
    .$castTo<{ version: number | null }>()
    .executeTakeFirstOrThrow();
  return version ?? 0;
}
