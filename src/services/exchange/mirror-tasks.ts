import type { EntityManager } from '@mikro-orm/postgresql';
import type { Touched } from '../../db/database.js';
import { sql } from '../../db/sql.js';

export type MirrorKind = 'EXPERIMENT' | 'RUN' | 'MODEL' | 'MODEL_VERSION';

export interface MirrorTask {
  tenant: string;
  kind: MirrorKind;
  localId: string;
  /** Tells, to the microsecond, whether the thing has changed again meanwhile. */
  changed: string;
  failures: number;
}

const KINDS: Record<string, MirrorKind> = { experiment: 'EXPERIMENT', run: 'RUN', model: 'MODEL', modelVersion: 'MODEL_VERSION' };
const TABLES: Record<MirrorKind, string> = { EXPERIMENT: 'experiment', RUN: 'run', MODEL: 'model', MODEL_VERSION: 'model_version' };

/** Refs of the mirror are apart from those of imports, which may be from the same server. */
export const mirrorKey = (server: string) => `mirror:${server}`;

/** In the transaction of the change. A task that is being worked on keeps its lease: its worker sees that there is more. */
export async function markTouched(em: EntityManager, tenant: string, touched: Touched[]): Promise<void> {
  const marks = [...new Set(touched.flatMap(({ type, id }) => (KINDS[type] ? [`${KINDS[type]} ${id}`] : [])))].sort();
  if (marks.length === 0) return;
  // What the transaction has made is written before it is marked.
  await em.flush();
  await sql(
    em,
    `insert into mirror_task (tenant, kind, local_id) select ?, split_part(mark, ' ', 1), split_part(mark, ' ', 2)::uuid from unnest(?::text[]) as m(mark)
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
       where not exists (select from external_ref r where r.tenant = t.tenant and r.kind = ? and r.local_id = t.id and r.server in (?, ?))
       on conflict do nothing`,
      [kind, kind, mirrorKey(server), server],
    );
  }
}

/** Due tasks, nobody else's for a while; experiments and models before what is in them. */
export function claimTasks(em: EntityManager, limit: number, leaseMs: number): Promise<MirrorTask[]> {
  return sql<MirrorTask>(
    em,
    `with due as (
       select tenant, kind, local_id from mirror_task where not_before <= clock_timestamp() order by not_before, local_id limit ? for update skip locked)
     update mirror_task m set not_before = clock_timestamp() + ? * interval '1 millisecond' from due
     where m.tenant = due.tenant and m.kind = due.kind and m.local_id = due.local_id
     returning m.tenant, m.kind, m.local_id as "localId", m.changed_at::text as changed, m.failures`,
    [limit, leaseMs],
  );
}

const ONE = 'tenant = ? and kind = ? and local_id = ?';
const keyOf = ({ tenant, kind, localId }: MirrorTask) => [tenant, kind, localId];

/** Nothing is left to do, unless the thing has changed meanwhile. */
export async function endTask(em: EntityManager, task: MirrorTask): Promise<void> {
  await sql(
    em,
    `with gone as (delete from mirror_task where ${ONE} and changed_at = ?::timestamptz returning 1)
     update mirror_task set not_before = clock_timestamp(), failures = 0, error = null where ${ONE} and not exists (select from gone)`,
    [...keyOf(task), task.changed, ...keyOf(task)],
  );
}

/** `failed`: whether it is the thing's own fault, and not that the server is away. */
export async function postponeTask(
  em: EntityManager,
  task: MirrorTask,
  delayMs: number,
  error: string | null,
  failed: boolean,
): Promise<void> {
  await sql(
    em,
    `update mirror_task set not_before = clock_timestamp() + ? * interval '1 millisecond',
       failures = failures + ?, error = coalesce(?, error) where ${ONE}`,
    [delayMs, failed ? 1 : 0, error, ...keyOf(task)],
  );
}

/** Its worker is alive and still at it. */
export async function prolongTask(em: EntityManager, task: MirrorTask, leaseMs: number): Promise<void> {
  await sql(em, `update mirror_task set not_before = clock_timestamp() + ? * interval '1 millisecond' where ${ONE}`, [
    leaseMs,
    ...keyOf(task),
  ]);
}
