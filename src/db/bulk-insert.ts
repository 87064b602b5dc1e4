import type { EntitySchemaWithMeta } from '@mikro-orm/core';
import type { EntityManager, InferKyselyTable } from '@mikro-orm/postgresql';
import { sql, type SelectType } from 'kysely';

/**
 * The JSON form of a column. A time is a text, which may have microseconds; NaN and the infinities are texts, because
 * JSON has no such numbers.
 */
type InJson<T> = T extends Date ? string : T extends number ? T | 'NaN' | 'Infinity' | '-Infinity' : T;

/** A row of a table; columns that are left out get their defaults. */
export type BulkRow<E extends EntitySchemaWithMeta> = {
  [Name in keyof InferKyselyTable<E>]?: InJson<SelectType<InferKyselyTable<E>[Name]>>;
};

/**
 * Inserts rows that all have the same columns, as one parameter. Returns how many were new: an existing row is not
 * changed.
 */
export async function insertNew<const E extends EntitySchemaWithMeta>(
  em: EntityManager,
  entity: E,
  rows: readonly BulkRow<E>[],
): Promise<number> {
  const [first] = rows;
  if (!first) return 0;
  const table = sql.table(entity.meta.tableName);
  const columns = sql.join(Object.keys(first).map((column) => sql.ref(column)));
  const { numAffectedRows } = await sql`insert into ${table} (${columns})
    select ${columns} from jsonb_populate_recordset(null::${table}, ${JSON.stringify(rows)}::jsonb)
    on conflict do nothing`.execute(em.getKysely());
  return Number(numAffectedRows ?? 0);
}
