import type { EntityManager } from '@mikro-orm/postgresql';
import type { Touched } from '../../db/database.js';
import { sql } from '../../db/sql.js';

export type MirrorKind = 'EXPERIMENT' | 'RUN' | 'MODEL' | 'MODEL_VERSION';

export interface MirrorTask {
  tenant: string;
  kind: MirrorKind;
  localId: string;
  /** When the object changed, with microseconds: shows whether it has changed again meanwhile. */
  changed: string;
  failures: number;
  /** The end of the lease, with microseconds. Another value in the row means that this worker was considered lost. */
  lease: string;
}

/**
 * After this time a task counts as lost with its worker. It is longer than one request to the other server may take,
 * including its second attempt.
 */
export const LEASE_MS = 150_000;
const FROM_NOW = `clock_timestamp() + ? * interval '1 millisecond'`;

/** Thrown in a worker that was considered lost: another one has the task. */
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

/** The external ids of the mirror are separate from those of imports, which may use the same server. */
export const mirrorKey = (server: string) => `mirror:${server}`;

/**
 * Call in the transaction of the change. A task that is being worked on keeps its lease; its worker sees that there is
 * more to do.
 */
export async function markTouched(em: EntityManager, tenant: string, touched: Touched[]): Promise<void> {
  const marks = [...new Set(touched.flatMap(({ type, id }) => (KINDS[type] ? [`${KINDS[type]} ${id}`] : [])))].sort();
  if (marks.length === 0) return;
  // The transaction's own changes are written first.
  await em.flush();
  await sql(
    em,
    `insert into mirror_task (tenant, kind, local_id) select ?, split_part(mark, ' ', 1), split_part(mark, ' ',
      2)::uuid from unnest(?::text[]) as m(mark)
     on conflict (tenant, kind, local_id) do update set changed_at = clock_timestamp()`,
    [tenant, marks],
  );
}

/** Marks what existed before the mirror was configured. */
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

/** Takes due tasks for a while; experiments and models come before their content. */
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

/**
 * Takes the task of one object; creates it when it does not exist. Null while another worker has it or while it waits
 * for its next attempt.
 */
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

/** Call before each step of the work. Errors: StaleLease. */
export async function renewTask(em: EntityManager, task: MirrorTask): Promise<void> {
  const [renewed] = await sql<{ lease: string }>(
    em,
    `update mirror_task set not_before = ${FROM_NOW} where ${OWN} returning not_before::text as lease`,
    [LEASE_MS, ...keyOf(task)],
  );
  if (!renewed) throw new StaleLease(task);
  task.lease = renewed.lease;
}

/** Call in each transaction that stores what was done. Errors: StaleLease. */
export async function fenceTask(em: EntityManager, task: MirrorTask): Promise<void> {
  const rows = await sql(em, `select 1 from mirror_task where ${OWN} for update`, keyOf(task));
  if (rows.length === 0) throw new StaleLease(task);
}

/** Removes the task, unless the object has changed meanwhile. */
export async function endTask(em: EntityManager, task: MirrorTask): Promise<void> {
  await sql(
    em,
    `with gone as (delete from mirror_task where ${OWN} and changed_at = ?::timestamptz returning 1)
     update mirror_task set not_before = clock_timestamp(), failures = 0, error = null where ${OWN}
       and not exists (select from gone)`,
    [...keyOf(task), task.changed, ...keyOf(task)],
  );
}

/** `failed`: true when the object is the cause, false when the server does not answer. */
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
