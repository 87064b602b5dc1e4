import { sql } from 'kysely';
import { RunParam, RunTag } from '../../../db/entities/experiments/run-pair.entity.js';
import type { Session } from '../../../db/database.js';
import { statement } from '../../../db/statement.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(RunParam, RunTag);

export type PairTable = 'run_param' | 'run_tag';

export interface Pair {
  key: string;
  value: string;
}

/** A parameter and its other, refused value, both shortened for an error message. */
export interface ParamChange {
  key: string;
  oldValue: string;
  newValue: string;
}

const SHOWN_CHARACTERS = 80;

/** The parameters or tags of a run: all of them, or those with the given keys. */
export function pairsOf(
  { em, tenant }: Session,
  table: PairTable,
  runId: string,
  keys?: readonly string[],
): Promise<Pair[]> {
  return tables(em)
    .selectFrom(table)
    .select(['key', 'value'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .$if(keys !== undefined, (query) => query.where('key', '=', anyOf('text', keys ?? [])))
    .execute();
}

/** Null when the run does not have this tag. */
export async function deleteTagRow({ em, tenant }: Session, runId: string, key: string): Promise<string | null> {
  const deleted = await tables(em)
    .deleteFrom('run_tag')
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('key', '=', key)
    .returning('value')
    .executeTakeFirst();
  return deleted?.value ?? null;
}

/** Counts only pairs of the run with other keys, because a statement does not see the rows that it inserts. */
const insertText = (table: PairTable, onConflict: string) => `
  with target as (select id from run where tenant = $1 and id = $2 and state = 'ACTIVE'),
  pairs as (insert into ${table} (tenant, run_id, key, value)
    select $1, target.id, p.key, p.value from target, unnest($3::text[], $4::text[]) as p(key, value) ${onConflict})
  select (select count(*) from target)::int as found, count(*) as count,
    coalesce(sum(octet_length(key) + octet_length(value)), 0)::float8 as "sizeBytes"
  from ${table} where tenant = $1 and run_id = $2 and not key = any($3::text[])`;

const FOUND = { found: 'integer', count: 'bigint', sizeBytes: 'double precision' } as const;

const insertParams = statement({
  name: 'insert_run_params',
  text: insertText('run_param', 'on conflict (run_id, key) do nothing'),
  row: FOUND,
});

const upsertTags = statement({
  name: 'upsert_run_tags',
  text: insertText('run_tag', 'on conflict (run_id, key) do update set value = excluded.value'),
  row: FOUND,
});

/**
 * Adds pairs: existing parameters stay, existing tags change. Returns the number and the bytes of the run's pairs with
 * other keys; null when the run does not exist or is deleted.
 */
export async function addPairs(
  { em, tenant }: Session,
  table: PairTable,
  runId: string,
  record: Record<string, string>,
): Promise<{ count: number; sizeBytes: number } | null> {
  // In sorted order, so that two calls with the same keys cannot deadlock.
  const keys = Object.keys(record).sort();
  const insert = table === 'run_param' ? insertParams : upsertTags;
  const [inserted] = await insert(em, [tenant, runId, keys, keys.map((key) => record[key])]);
  return inserted?.found ? inserted : null;
}

/** The parameters whose stored values differ from these. */
export function changedParams(
  { em, tenant }: Session,
  runId: string,
  record: Record<string, string>,
): Promise<ParamChange[]> {
  const wanted = sql<Pair & { place: number }>`unnest(${Object.keys(record)}::text[], ${Object.values(record)}::text[])
    with ordinality`.as<'n'>(sql`n(key, value, place)`);
  return tables(em)
    .selectFrom('run_param as p')
    .innerJoin(wanted, (on) => on.onRef('n.key', '=', 'p.key').onRef('n.value', '<>', 'p.value'))
    .select([
      'p.key',
      sql<string>`left(p.value, ${sql.lit(SHOWN_CHARACTERS)})`.as('oldValue'),
      sql<string>`left(n.value, ${sql.lit(SHOWN_CHARACTERS)})`.as('newValue'),
    ])
    .where('p.tenant', '=', tenant)
    .where('p.run_id', '=', runId)
    .orderBy('n.place')
    .execute();
}

/** The first keys of the runs by name, at most `limit`. */
export async function keysOf(
  { em, tenant }: Session,
  table: PairTable,
  runIds: readonly string[],
  limit: number,
): Promise<string[]> {
  const rows = await tables(em)
    .selectFrom(table)
    .select('key')
    .where('tenant', '=', tenant)
    .where('run_id', '=', anyOf('uuid', runIds))
    .groupBy('key')
    .orderBy(sql`key collate "C"`)
    .limit(limit)
    .execute();
  return rows.map(({ key }) => key);
}

/** These keys with their values, ordered by key. */
export function pairsOfRuns(
  { em, tenant }: Session,
  table: PairTable,
  runIds: readonly string[],
  keys: readonly string[],
): Promise<(Pair & { runId: string })[]> {
  return tables(em)
    .selectFrom(table)
    .select(['run_id as runId', 'key', 'value'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', anyOf('uuid', runIds))
    .where('key', '=', anyOf('text', keys))
    .orderBy(sql`key collate "C"`)
    .execute();
}

/** All parameters or tags of each run. */
export const allPairsOfRuns =
  (table: PairTable) =>
  ({ em, tenant }: Session, runIds: readonly string[]) =>
    tables(em)
      .selectFrom(table)
      .select(['run_id as ownerId', 'key', 'value'])
      .where('tenant', '=', tenant)
      .where('run_id', '=', anyOf('uuid', runIds))
      .orderBy('key')
      .execute();

/** The parameters that differ between the runs. Those that most runs have come first. */
export async function differingParams(
  { em, tenant }: Session,
  runIds: readonly string[],
  limit: number,
): Promise<string[]> {
  const rows = await tables(em)
    .selectFrom('run_param')
    .select('key')
    .where('tenant', '=', tenant)
    .where('run_id', '=', anyOf('uuid', runIds))
    .groupBy('key')
    .having((having) =>
      having.or([
        having(having.fn.count<number>('pair_hash').distinct(), '>', 1),
        having(having.fn.countAll<number>(), '<', runIds.length),
      ]),
    )
    .orderBy((order) => order.fn.countAll(), 'desc')
    .orderBy(sql`key collate "C"`)
    .limit(limit)
    .execute();
  return rows.map(({ key }) => key);
}

/** Values of some parameters, cut to the length that a comparison shows. */
export function shortParams(
  { em, tenant }: Session,
  runIds: readonly string[],
  keys: readonly string[],
  characters: number,
): Promise<(Pair & { runId: string })[]> {
  return tables(em)
    .selectFrom('run_param')
    .select(['run_id as runId', 'key', sql<string>`left(value, ${sql.lit(characters)})`.as('value')])
    .where('tenant', '=', tenant)
    .where('run_id', '=', anyOf('uuid', runIds))
    .where('key', '=', anyOf('text', keys))
    .execute();
}
