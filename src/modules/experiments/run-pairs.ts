import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { checkName, checkSetSize, checkTags, fromHexId, setSizeOf } from '../core/index.js';
import { RUN_TAGS } from './rules/run-tags.js';
import { conflict, notFound } from '../../errors.js';
import { takeTurns } from '../platform/index.js';
import type { TagEntry } from './experiment.service.js';

/** The one answer to a write that found no run it may change: NOT_FOUND, or CONFLICT for a deleted one. */
export async function refuseWrite(session: Session, runId: string): Promise<never> {
  const run = await session.em.findOne(Run, { id: runId, tenant: session.tenant }, { fields: ['state'] });
  if (!run) throw notFound('run', runId);
  throw conflict(`Run ${runId} is deleted; restore it to write to it.`, { expected: 'an active run', got: run.state });
}

/** How many parameters a run has at most, and of how many bytes together; as many tags. */
const MAX_PAIRS = [10_000, 16 * 1024 ** 2] as const;

/** A condition that every write to a run stands under; its parameters are the tenant and the run's id. */
export const ACTIVE_RUN = `select id from run where tenant = ? and id = ? and state = 'ACTIVE'`;

/** For writes that no such condition can stand in. */
export async function requireWritable(session: Session, runId: string): Promise<void> {
  const found = await sql(session.em, ACTIVE_RUN, [session.tenant, runId]);
  if (found.length === 0) await refuseWrite(session, runId);
}

/** Another value for a parameter that has one, both as far as somebody reads them. */
export interface ParamChange {
  key: string;
  oldValue: string;
  newValue: string;
}

/** A parameter says what a run was made with: it can be logged again with the same value, not changed. */
export async function addParams(session: Session, runId: string, params: TagEntry[]): Promise<Record<string, string>> {
  const record = checkTags('input.params', params);
  await insertPairs(session, 'run_param', runId, record, 'on conflict (run_id, key) do nothing');
  const changes = await sql<ParamChange>(
    session.em,
    `select p.key, left(p.value, 80) as "oldValue", left(n.value, 80) as "newValue"
     from run_param p join unnest(?::text[], ?::text[]) with ordinality as n(key, value, place) on n.key = p.key and n.value <> p.value
     where p.tenant = ? and p.run_id = ? order by n.place`,
    [Object.keys(record), Object.values(record), session.tenant, runId],
  );
  const [first] = changes;
  if (first) {
    throw conflict(`Parameter "${first.key}" of this run is already "${first.oldValue}"; parameters do not change.`, {
      field: 'input.params',
      expected: first.oldValue,
      got: first.newValue,
      changes,
    });
  }
  return record;
}

/** Adds or changes tags; the two that are columns of the run as well change there too. */
export async function putTags(session: Session, runId: string, tags: TagEntry[]): Promise<Record<string, string>> {
  const record = checkTags('input.tags', tags);
  await insertPairs(
    session,
    'run_tag',
    runId,
    record,
    'on conflict (run_id, key) do update set value = excluded.value',
  );
  const name = record[RUN_TAGS.name];
  if (name !== undefined) await setColumn(session, runId, { name: checkName(`input.tags[${RUN_TAGS.name}]`, name) });
  const parent = record[RUN_TAGS.parent];
  if (parent !== undefined)
    await setColumn(session, runId, { parentRunId: await possibleParent(session, runId, parent) });
  return record;
}

/** NOT_FOUND when the run has no such tag. */
export async function dropTag(session: Session, runId: string, key: string): Promise<string> {
  await requireWritable(session, runId);
  const [dropped] = await sql<{ value: string }>(
    session.em,
    'delete from run_tag where tenant = ? and run_id = ? and key = ? returning value',
    [session.tenant, runId, key],
  );
  if (!dropped) throw notFound('tag', key);
  // A run keeps its name: it cannot be without one.
  if (key === RUN_TAGS.parent) await setColumn(session, runId, { parentRunId: null });
  return dropped.value;
}

/** Through the entity, which the session may hold already. */
async function setColumn(
  session: Session,
  runId: string,
  change: { name: string } | { parentRunId: string | null },
): Promise<void> {
  const run = await session.em.findOneOrFail(Run, { id: runId, tenant: session.tenant });
  Object.assign(run, change);
  await session.em.flush();
}

/** The run that the tag names; null for none of the tenant, and for one that would make a circle. */
async function possibleParent(session: Session, runId: string, tag: string): Promise<string | null> {
  const id = fromHexId(tag);
  if (id === null) return null;
  // One at a time: two runs that become each other's parents at once would not see it.
  await takeTurns(session, 'parents');
  const ancestors = await sql<{ id: string }>(
    session.em,
    `with recursive line as (
       select id, parent_run_id from run where tenant = ? and id = ?
       union select r.id, r.parent_run_id from run r join line on r.id = line.parent_run_id where r.tenant = ?)
     select id from line`,
    [session.tenant, id, session.tenant],
  );
  return ancestors.length > 0 && ancestors.every((ancestor) => ancestor.id !== runId) ? id : null;
}

async function insertPairs(
  session: Session,
  table: string,
  runId: string,
  record: Record<string, string>,
  onConflict: string,
): Promise<void> {
  // In one order, so that two calls with the same keys never wait for each other.
  const keys = Object.keys(record).sort();
  const [inserted] = await sql<{ found: number; count: number; sizeBytes: number }>(
    session.em,
    `with target as (${ACTIVE_RUN}),
     pairs as (insert into ${table} (tenant, run_id, key, value)
       select ?, target.id, p.key, p.value from target, unnest(?::text[], ?::text[]) as p(key, value) ${onConflict})
     select (select count(*) from target)::int as found, count(*)::int as count,
       coalesce(sum(octet_length(key) + octet_length(value)), 0)::float8 as "sizeBytes"
     from ${table} where tenant = ? and run_id = ? and not key = any(?::text[])`,
    [
      ...[session.tenant, runId, session.tenant, keys, keys.map((key) => record[key])],
      ...[session.tenant, runId, keys],
    ],
  );
  if (!inserted?.found) return refuseWrite(session, runId);
  // The others as they were, and these: a statement does not see what it inserts.
  const own = setSizeOf(record);
  const size = { count: inserted.count + own.count, sizeBytes: inserted.sizeBytes + own.sizeBytes };
  checkSetSize(table === 'run_param' ? 'input.params' : 'input.tags', size, MAX_PAIRS);
}
