import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from './sql.js';

/** A record of texts in a JSON column of one row. */
export interface JsonRecordPlace {
  table: 'experiment' | 'logged_model' | 'model' | 'model_version';
  column: 'tags' | 'params';
  tenant: string;
  id: string;
}

export interface RecordChange {
  /** The old values of the keys that were set or removed, as far as they existed. */
  before: Record<string, string>;
  /** The number of entries of the whole record, and its size in bytes, after the change. */
  count: number;
  sizeBytes: number;
}

/**
 * Sets and removes entries in place: the statement is as large as the change, whatever the size of the record. The
 * caller holds the row's lock.
 */
export async function changeRecord(
  em: EntityManager,
  { table, column, tenant, id }: JsonRecordPlace,
  set: Readonly<Record<string, string>>,
  drop: readonly string[] = [],
): Promise<RecordChange> {
  const [change] = await sql<RecordChange>(
    em,
    `with old as (
       select coalesce((select jsonb_object_agg(key, value) from jsonb_each_text(${column})
         where key = any(?::text[])), '{}') as before
       from ${table} where tenant = ? and id = ?),
     changed as (
       update ${table} set ${column} = (${column} - ?::text[]) || ?::jsonb where tenant = ? and id = ?
         returning ${column} as record)
     select before, count(key)::int as count, coalesce(sum(octet_length(key) + octet_length(value)),
       0)::float8 as "sizeBytes"
     from old cross join changed left join lateral jsonb_each_text(record) on true group by before`,
    [[...Object.keys(set), ...drop], tenant, id, drop, JSON.stringify(set), tenant, id],
  );
  return change ?? { before: {}, count: 0, sizeBytes: 0 };
}
