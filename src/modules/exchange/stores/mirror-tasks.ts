import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, type ExpressionBuilder } from 'kysely';
import { ExternalRef } from '../../../db/entities/exchange/external-ref.entity.js';
import { MirrorTask } from '../../../db/entities/exchange/mirror-task.entity.js';
import { Experiment } from '../../../db/entities/experiments/experiment.entity.js';
import { Run } from '../../../db/entities/experiments/run.entity.js';
import { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import { Model } from '../../../db/entities/registry/model.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf, type TablesOf } from '../../../db/tables.js';
import type { ObjectChange } from '../../platform/index.js';

const ENTITIES = [MirrorTask, ExternalRef, Experiment, Run, Model, ModelVersion] as const;
const tables = tablesOf(...ENTITIES);

export type MirrorKind = 'EXPERIMENT' | 'RUN' | 'MODEL' | 'MODEL_VERSION';

/** A task that this worker has leased. */
export interface LeasedTask {
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

/** Thrown in a worker that was considered lost: another one has the task. */
export class StaleLease extends Error {
  constructor({ kind, localId }: LeasedTask) {
    super(`Another worker mirrors ${kind} ${localId} now.`);
    this.name = 'StaleLease';
  }
}

/** Types of objects in changes, and their kinds in the mirror. */
const KINDS: Record<string, MirrorKind> = {
  experiment: 'EXPERIMENT',
  run: 'RUN',
  model: 'MODEL',
  modelVersion: 'MODEL_VERSION',
};
export const MIRRORED_TYPES = Object.keys(KINDS);
const TABLES = {
  EXPERIMENT: 'experiment',
  RUN: 'run',
  MODEL: 'model',
  MODEL_VERSION: 'model_version',
} as const satisfies Record<MirrorKind, string>;

const now = sql<Date>`clock_timestamp()`;
const fromNow = (ms: number) => sql<Date>`clock_timestamp() + ${ms} * interval '1 millisecond'`;

/** The external ids of the mirror are separate from those of imports, which may use the same server. */
export const mirrorKey = (server: string) => `mirror:${server}`;

/**
 * Creates the tasks of changed objects. A task that is being worked on keeps its lease; its worker sees that there is
 * more to do.
 */
export async function markChanged(em: EntityManager, changes: readonly ObjectChange[]): Promise<void> {
  const marks = new Map<string, { tenant: string; kind: MirrorKind; local_id: string }>();
  for (const { tenant, type, objectId } of changes) {
    const kind = KINDS[type];
    if (kind) marks.set(`${kind} ${tenant} ${objectId}`, { tenant, kind, local_id: objectId });
  }
  if (marks.size === 0) return;
  // Always in the same order, so that two processes cannot deadlock.
  const inOrder = [...marks].sort(([a], [b]) => (a < b ? -1 : 1));
  await tables(em)
    .insertInto('mirror_task')
    .values(inOrder.map(([, mark]) => mark))
    .onConflict((on) => on.columns(['tenant', 'kind', 'local_id']).doUpdateSet({ changed_at: now }))
    .execute();
}

/** Marks what existed before the mirror was configured. */
export async function markMissing(em: EntityManager, server: string): Promise<void> {
  for (const kind of Object.keys(TABLES) as MirrorKind[]) {
    await tables(em)
      .insertInto('mirror_task')
      .columns(['tenant', 'kind', 'local_id'])
      .expression((from) =>
        from
          .selectFrom(TABLES[kind])
          .select(['tenant', sql<MirrorKind>`${kind}::text`.as('kind'), 'id as local_id'])
          .where(({ not, exists }) =>
            not(
              exists(
                tables(em)
                  .selectFrom('external_ref as r')
                  .select('r.id')
                  .where('r.tenant', '=', sql.ref<string>(`${TABLES[kind]}.tenant`))
                  .where('r.kind', '=', kind)
                  .where('r.local_id', '=', sql.ref<string>(`${TABLES[kind]}.id`))
                  .where('r.server', 'in', [mirrorKey(server), server]),
              ),
            ),
          ),
      )
      .onConflict((on) => on.doNothing())
      .execute();
  }
}

const LEASED = [
  'mirror_task.tenant',
  'mirror_task.kind',
  'mirror_task.local_id as localId',
  sql<string>`mirror_task.changed_at::text`.as('changed'),
  'mirror_task.failures',
  sql<string>`mirror_task.not_before::text`.as('lease'),
] as const;

/** Takes due tasks for a while; experiments and models come before their content. */
export function claimTasks(em: EntityManager, limit: number): Promise<LeasedTask[]> {
  return tables(em)
    .with('due', (from) =>
      from
        .selectFrom('mirror_task')
        .select(['tenant', 'kind', 'local_id'])
        .where('not_before', '<=', now)
        .orderBy('not_before')
        .orderBy('local_id')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .updateTable('mirror_task')
    .from('due')
    .set({ not_before: fromNow(LEASE_MS) })
    .whereRef('mirror_task.tenant', '=', 'due.tenant')
    .whereRef('mirror_task.kind', '=', 'due.kind')
    .whereRef('mirror_task.local_id', '=', 'due.local_id')
    .returning(LEASED)
    .execute();
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
): Promise<LeasedTask | null> {
  const task = await tables(em)
    .insertInto('mirror_task')
    .values({ tenant, kind, local_id: localId, not_before: fromNow(LEASE_MS) })
    .onConflict((on) =>
      on
        .columns(['tenant', 'kind', 'local_id'])
        .doUpdateSet((set) => ({ not_before: set.ref('excluded.not_before') }))
        .where('mirror_task.not_before', '<=', now),
    )
    .returning(LEASED)
    .executeTakeFirst();
  return task ?? null;
}

/** Selects a task whose lease this worker still has. */
const own =
  ({ tenant, kind, localId, lease }: LeasedTask) =>
  (where: ExpressionBuilder<TablesOf<(typeof ENTITIES)[number]>, 'mirror_task'>) =>
    where.and([
      where('mirror_task.tenant', '=', tenant),
      where('mirror_task.kind', '=', kind),
      where('mirror_task.local_id', '=', localId),
      where('mirror_task.not_before', '=', sql<Date>`${lease}::timestamptz`),
    ]);

/** Call before each step of the work. Errors: StaleLease. */
export async function renewTask(em: EntityManager, task: LeasedTask): Promise<void> {
  const renewed = await tables(em)
    .updateTable('mirror_task')
    .set({ not_before: fromNow(LEASE_MS) })
    .where(own(task))
    .returning(sql<string>`not_before::text`.as('lease'))
    .executeTakeFirst();
  if (!renewed) throw new StaleLease(task);
  task.lease = renewed.lease;
}

/** Call in each transaction that stores what was done. Errors: StaleLease. */
export async function fenceTask(em: EntityManager, task: LeasedTask): Promise<void> {
  const rows = await tables(em).selectFrom('mirror_task').select('kind').where(own(task)).forUpdate().execute();
  if (rows.length === 0) throw new StaleLease(task);
}

/** Removes the task, unless the object has changed meanwhile. */
export async function endTask(em: EntityManager, task: LeasedTask): Promise<void> {
  await tables(em)
    .with('gone', (from) =>
      from
        .deleteFrom('mirror_task')
        .where(own(task))
        .where('changed_at', '=', sql<Date>`${task.changed}::timestamptz`)
        .returning('kind'),
    )
    .updateTable('mirror_task')
    .set({ not_before: now, failures: 0, error: null })
    .where(own(task))
    .where(({ not, exists, selectFrom }) => not(exists(selectFrom('gone').select('gone.kind'))))
    .execute();
}

/** `failed`: true when the object is the cause, false when the server does not answer. */
export async function postponeTask(
  em: EntityManager,
  task: LeasedTask,
  delayMs: number,
  error: string | null,
  failed: boolean,
): Promise<void> {
  await tables(em)
    .updateTable('mirror_task')
    .set((set) => ({
      not_before: fromNow(delayMs),
      failures: set('failures', '+', failed ? 1 : 0),
      ...(error !== null && { error }),
    }))
    .where(own(task))
    .execute();
}

export function countTasks({ em, tenant }: Session) {
  return tables(em)
    .selectFrom('mirror_task')
    .select((select) => [
      select.fn.countAll<number>().as('waiting'),
      select.fn.countAll<number>().filterWhere('failures', '>', 0).as('failing'),
      select.fn.min('changed_at').as('oldestChangeAt'),
    ])
    .where('tenant', '=', tenant)
    .executeTakeFirstOrThrow();
}

/** Tasks that have failed, ordered by latest change first. */
export function failedTasks({ em, tenant }: Session, limit: number) {
  return tables(em)
    .selectFrom('mirror_task')
    .select(['kind', 'local_id as id', 'error', 'failures', 'not_before as nextAttemptAt'])
    .where('tenant', '=', tenant)
    .where('error', 'is not', null)
    .orderBy('changed_at', 'desc')
    .orderBy('local_id')
    .limit(limit)
    .$narrowType<{ error: string }>()
    .execute();
}

/** Stops mirroring an object that was removed. */
export async function deleteMirrorTasks({ em, tenant }: Session, localId: string): Promise<void> {
  await tables(em).deleteFrom('mirror_task').where('tenant', '=', tenant).where('local_id', '=', localId).execute();
}
