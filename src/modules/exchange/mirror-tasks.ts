import type { EntityManager } from '@mikro-orm/postgresql';
import type { Touched } from '../../db/database.js';
import { sql } from '../../db/sql.js';

export type MirrorKind = 'EXPERIMENT' | 'RUN' | 'MODEL' | 'MODEL_VERSION';

export interface MirrorTask {
  tenant: string;
  kind: MirrorKind;
  localId: string;
  /** Shows, to the microsecond, whether the thing has changed again meanwhile. */
  changed: string;
  failures: number;
  /** Until when it is its worker's, to the microsecond: another one there means that the worker was taken for lost. */
  lease: string;
}

/**
 * After that a task counts as lost with its worker: longer than one request to the other server may take, its second
 * try included.
 */
export const LEASE_MS = 150_000;
const FROM_NOW = `clock_timestamp() + ? * interval '1 millisecond'`;

/** Thrown in a worker that was taken for lost: another one has the task. */
export class StaleLease extends Error {
  constructor({ kind, localId }: MirrorTask) {
    super(`Another worker mirrors ${kind} ${localId} now.`);
    this.name = 'StaleLease';
  }
}

const KINDS: Record<string, MirrorKind> = {
  experiment: 'EXPERIMENT',
  run: 'RUN',
  model: 'MODEL',
  modelVersion: 'MODEL_VERSION',
};
const TABLES: Record<MirrorKind, string> = {
  EXPERIMENT: 'experiment',
  RUN: 'run',
  MODEL: 'model',
  MODEL_VERSION: 'model_version',
};

/** The mirror's refs are separate from those of imports, which may use the same server. */
export const mirrorKey = (server: string) => `mirror:${server}`;

/** Runs in the transaction of the change. A task in work keeps its lease: its worker sees that there is more to do. */
export async function markTouched(em: EntityManager, tenant: string, touched: Touched[]): Promise<void> {
  const marks = [...new Set(touched.flatMap(({ type, id }) => (KINDS[type] ? [`${KINDS[type]} ${id}`] : [])))].sort();
  if (marks.length === 0) return;
  // What the transaction has made is written before it is marked.
  await em.flush();
  await sql(
    em,
    `insert into mirror_task (tenant, kind, local_id) select ?, split_part(mark, ' ', 1), split_part(mark, ' ',
      2)::uuid from unnest(?::text[]) as m(mark)
     on conflict (tenant, kind, local_id) do update set changed_at = clock_timestamp()`,
    [tenant, marks],
  );
}

/** Marks what was there before anything was mirrored. */
export async function markMissing(em: EntityManager, server: string): Promise<void> {
  for (const [kind, table] of Object.entries(TABLES)) {
    await sql(
      em,
      `insert into mirror_task (tenant, kind, local_id) select t.tenant, ?, t.id from ${table} t
       where not exists (select from external_ref r where r.tenant = t.tenant and r.kind = ? and r.local_id = t.id
         and r.server in (?, ?))
       on conflict do nothing`,
      [kind, kind, mirrorKey(server), server],
    );
  }
}

const COLUMNS =
  'm.tenant, m.kind, m.local_id as "localId", m.changed_at::text as changed, m.failures, m.not_before::text as lease';

/** Due tasks, nobody else's for a while; experiments and models before what is in them. */
export function claimTasks(em: EntityManager, limit: number): Promise<MirrorTask[]> {
  return sql<MirrorTask>(
    em,
    `with due as (
       select tenant, kind, local_id from mirror_task where not_before <= clock_timestamp() order by not_before,
         local_id limit ? for update skip locked)
     update mirror_task m set not_before = ${FROM_NOW} from due
     where m.tenant = due.tenant and m.kind = due.kind and m.local_id = due.local_id returning ${COLUMNS}`,
    [limit, LEASE_MS],
  );
}

/** The task of one thing, created when there is none; null while another worker has it or it waits for its next try. */
export async function claimTask(
  em: EntityManager,
  tenant: string,
  kind: MirrorKind,
  localId: string,
): Promise<MirrorTask | null> {
  const [task] = await sql<MirrorTask>(
    em,
    `insert into mirror_task as m (tenant, kind, local_id, not_before) values (?, ?, ?, ${FROM_NOW})
     on conflict (tenant, kind, local_id) do update set not_before = excluded.not_before
       where m.not_before <= clock_timestamp()
     returning ${COLUMNS}`,
    [tenant, kind, localId, LEASE_MS],
  );
  return task ?? null;
}

const OWN = 'tenant = ? and kind = ? and local_id = ? and not_before = ?::timestamptz';
const keyOf = ({ tenant, kind, localId, lease }: MirrorTask) => [tenant, kind, localId, lease];

/** Before each step of the work. Errors: StaleLease. */
export async function renewTask(em: EntityManager, task: MirrorTask): Promise<void> {
  const [renewed] = await sql<{ lease: string }>(
    em,
    `update mirror_task set not_before = ${FROM_NOW} where ${OWN} returning not_before::text as lease`,
    [LEASE_MS, ...keyOf(task)],
  );
  if (!renewed) throw new StaleLease(task);
  task.lease = renewed.lease;
}

/** In each transaction that keeps what was done. Errors: StaleLease. */
export async function fenceTask(em: EntityManager, task: MirrorTask): Promise<void> {
  const rows = await sql(em, `select 1 from mirror_task where ${OWN} for update`, keyOf(task));
  if (rows.length === 0) throw new StaleLease(task);
}

/** Removes the task, unless the thing has changed meanwhile. */
export async function endTask(em: EntityManager, task: MirrorTask): Promise<void> {
  await sql(
    em,
    `with gone as (delete from mirror_task where ${OWN} and changed_at = ?::timestamptz returning 1)
     update mirror_task set not_before = clock_timestamp(), failures = 0, error = null where ${OWN}
       and not exists (select from gone)`,
    [...keyOf(task), task.changed, ...keyOf(task)],
  );
}

/** `failed`: whether the thing itself is the cause, not a server that is down. */
export async function postponeTask(
  em: EntityManager,
  task: MirrorTask,
  delayMs: number,
  error: string | null,
  failed: boolean,
): Promise<void> {
  await sql(
    em,
    `update mirror_task set not_before = ${FROM_NOW}, failures = failures + ?, error = coalesce(?, error) where ${OWN}`,
    [...[delayMs, failed ? 1 : 0, error], ...keyOf(task)],
  );
}
