import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';

/** A record of texts in a JSON column of one row. */
export interface JsonRecordAddress {
  table: 'experiment' | 'logged_model' | 'model' | 'model_version';
  column: 'tags' | 'params';
  tenant: string;
  id: string;
}

interface RecordRow {
  tenant: string;
  id: string;
  tags: unknown;
  params: unknown;
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
  { table, column, tenant, id }: JsonRecordAddress,
  set: Readonly<Record<string, string>>,
  drop: readonly string[] = [],
): Promise<RecordChange> {
  const [keys, dropped] = [[...Object.keys(set), ...drop], [...drop]];
  const [change] = await em
    .getKysely<Record<JsonRecordAddress['table'], RecordRow>>()
    .with('old', (from) =>
      from
        .selectFrom(table)
        .select(
          sql<Record<string, string>>`coalesce((select jsonb_object_agg(key, value)
            from jsonb_each_text(${sql.ref(column)}) where key = any(${keys}::text[])), '{}')`.as('before'),
        )
        .where('tenant', '=', tenant)
        .where('id', '=', id),
    )
    .with('changed', (from) =>
      from
        .updateTable(table)
        .set(column, sql`(${sql.ref(column)} - ${dropped}::text[]) || ${JSON.stringify(set)}::jsonb`)
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .returning(sql<unknown>`${sql.ref(column)}`.as('record')),
    )
    .selectFrom('old')
    .crossJoin('changed')
    .leftJoinLateral(sql<{ key: string; value: string }>`jsonb_each_text(record)`.as('entry'), (on) => on.onTrue())
    .select((select) => [
      'before',
      select.fn.count<number>('key').as('count'),
      sql<number>`coalesce(sum(octet_length(key) + octet_length(value)), 0)::float8`.as('sizeBytes'),
    ])
    .groupBy('before')
    .execute();
  return change ?? { before: {}, count: 0, sizeBytes: 0 };
}
