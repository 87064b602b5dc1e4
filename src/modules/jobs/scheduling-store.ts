import type { EntityManager } from '@mikro-orm/postgresql';
import { type RawBuilder, sql } from 'kysely';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { TenantShare } from '../../db/entities/jobs/tenant-share.entity.js';
import { Worker } from '../../db/entities/jobs/worker.entity.js';
import type { Session } from '../../db/database.js';
import { OUTSIDE_QUEUE } from './job-kind.js';
import { anyOf, tablesOf, toJson } from '../../db/tables.js';
import { type Amounts, type Capacity, type Demand, NO_AMOUNTS, type Resources } from './rules/schedule.js';

const tables = tablesOf(Job, TenantShare, Worker);

/** Of each kind, a worker looks at so many waiting jobs of a tenant. */
const LOOKED_AT = 20;
/** What was used this many half-lives ago counts less than a thousandth. */
const HALF_LIVES = 10;

/** Until the transaction ends, no other process chooses jobs that begin. */
export async function lockQueue(em: EntityManager): Promise<void> {
  await tables(em)
    .selectNoFrom(sql`pg_advisory_xact_lock(hashtext('matih.schedule'))`.as('locked'))
    .execute();
}

/** Those of these jobs that wait and that no other transaction holds: nothing here waits for another transaction. */
export async function lockWaiting(em: EntityManager, ids: readonly string[]): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const rows = await tables(em)
    .selectFrom('job')
    .select('id')
    .where('id', '=', anyOf('uuid', ids))
    .where('status', '=', 'QUEUED')
    .where('paused_at', 'is', null)
    .forUpdate()
    .skipLocked()
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/** A job that waits or runs. */
export interface QueueJob extends Demand {
  id: string;
  attempt: number;
  status: 'QUEUED' | 'RUNNING';
  queue: string;
  waitingSinceMs: number;
  /** Null while it waits. */
  begunMs: number | null;
  notBeforeMs: number | null;
  /** Whether it has been asked to make room, or to pause. */
  isStopping: boolean;
  /** The worker process in which running jobs make room for it. */
  roomOn: string | null;
}

interface LookedFor {
  /** Waiting jobs of other queues are left out. */
  queues?: readonly string[];
  /** At most so many waiting jobs of each tenant and kind. */
  perKind?: number;
  /** These are in the result, however many wait before them. */
  ids?: readonly string[];
}

const WHOLE_GPUS = sql<number>`gpus * workers`;
const WAITING_SINCE = sql<Date>`greatest(created_at, not_before)`;
const QUEUE_COLUMNS = [
  ...(['id', 'tenant', 'attempt', 'kind', 'queue', 'priority', 'status'] as const),
  ...(['begun_at', 'preempted_at', 'paused_at', 'not_before', 'room_on'] as const),
  sql<number>`cores * workers`.as('cores'),
  sql<number>`(memory_bytes * workers)::float8`.as('memoryBytes'),
  WHOLE_GPUS.as('gpus'),
  WAITING_SINCE.as('waitingSince'),
] as const;

/**
 * The jobs of all tenants that run, and those that could begin now. Waiting jobs of one tenant, kind, queue and number
 * of GPUs are a line. An index has the jobs in this order: the lines are found by jumping from each to the next, and
 * each is read from its front, so that the length of the queue does not matter.
 */
export async function queueJobs(
  em: EntityManager,
  { queues, perKind = LOOKED_AT, ids = [] }: LookedFor,
): Promise<QueueJob[]> {
  const isDue = sql<boolean>`(not_before is null or not_before <= now())`;
  const isLooked = (queue: string) =>
    queues ? sql<boolean>`${sql.ref(queue)} = ${anyOf('text', queues)}` : sql<boolean>`true`;
  const rows = await tables(em)
    .withRecursive('line', (from) => {
      const firstLine = from
        .selectFrom('job')
        .select(['tenant', 'kind', 'queue', WHOLE_GPUS.as('wholeGpus')])
        .where('status', '=', 'QUEUED')
        .where('paused_at', 'is', null)
        .orderBy('tenant')
        .orderBy('kind')
        .orderBy('queue')
        .orderBy(WHOLE_GPUS)
        .limit(1);
      return from
        .selectFrom(firstLine.as('first'))
        .selectAll()
        .unionAll(
          from
            .selectFrom('line')
            .innerJoinLateral(
              firstLine
                .where(
                  sql<boolean>`(tenant, kind, queue, gpus * workers) > (line.tenant, line.kind, line.queue, line."wholeGpus")`,
                )
                .as('next'),
              (on) => on.onTrue(),
            )
            .selectAll('next'),
        );
    })
    .selectFrom('line')
    .innerJoinLateral(
      (from) =>
        from
          .selectFrom('job')
          .select(QUEUE_COLUMNS)
          .where('status', '=', 'QUEUED')
          .where('paused_at', 'is', null)
          .where('tenant', '=', sql<string>`line.tenant`)
          .where('kind', '=', sql<string>`line.kind`)
          .where('queue', '=', sql<string>`line.queue`)
          .where(WHOLE_GPUS, '=', sql<number>`line."wholeGpus"`)
          .where(isDue)
          .orderBy('priority', 'desc')
          .orderBy(WAITING_SINCE)
          .limit(perKind)
          .as('waits'),
      (on) => on.onTrue(),
    )
    .selectAll('waits')
    .where(isLooked('line.queue'))
    .unionAll(tables(em).selectFrom('job').select(QUEUE_COLUMNS).where('status', '=', 'RUNNING'))
    .unionAll(
      tables(em)
        .selectFrom('job')
        .select(QUEUE_COLUMNS)
        .where('status', '=', 'QUEUED')
        .where('paused_at', 'is', null)
        .where((where) => where.or([where('id', '=', anyOf('uuid', ids)), where('room_on', 'is not', null)]))
        .where(isDue)
        .where(isLooked('queue')),
    )
    .execute();
  // One may be in its line, and asked for.
  const found = new Map(rows.map((row) => [row.id, row]));
  return [...found.values()].map((row) => ({
    ...{ id: row.id, tenant: row.tenant, attempt: row.attempt, kind: row.kind, queue: row.queue },
    ...{ priority: row.priority, cores: row.cores, memoryBytes: row.memoryBytes, gpus: row.gpus },
    status: row.status === 'RUNNING' ? 'RUNNING' : 'QUEUED',
    waitingSinceMs: row.waitingSince.getTime(),
    notBeforeMs: row.not_before?.getTime() ?? null,
    begunMs: row.begun_at?.getTime() ?? null,
    isStopping: row.preempted_at !== null || row.paused_at !== null,
    isOutside: row.queue === OUTSIDE_QUEUE,
    roomOn: row.room_on,
  }));
}

export interface StoredShare {
  tenant: string;
  weight: number;
  quota: Amounts;
  borrowingLimit: Amounts;
}

/** The shares of the tenants that have a row; of one tenant when it is given. */
export async function storedShares(em: EntityManager, tenant?: string): Promise<StoredShare[]> {
  const rows = await tables(em)
    .selectFrom('tenant_share')
    .distinctOn('tenant')
    .select(['tenant', 'weight', 'quota', 'borrowing_limit as borrowingLimit'])
    .orderBy('tenant')
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant!))
    .execute();
  return rows.map(({ quota, borrowingLimit, ...row }) => ({
    ...row,
    quota: { ...NO_AMOUNTS, ...quota },
    borrowingLimit: { ...NO_AMOUNTS, ...borrowingLimit },
  }));
}

export function saveShare({ em, tenant, principal }: Session, share: Omit<StoredShare, 'tenant'>): void {
  em.create(TenantShare, {
    tenant,
    weight: share.weight,
    quota: known(share.quota),
    borrowingLimit: known(share.borrowingLimit),
    createdBy: principal.subject,
  });
}

const known = (amounts: Amounts): Partial<Resources> =>
  Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount !== null));

/**
 * The average resources that each tenant has used since a time, or lately: what was used a half-life ago counts half.
 * What is used twice at the edge of that time is as short as a transaction.
 */
export async function usedLately(
  em: EntityManager,
  halfLifeMs: number,
  since: Date | null,
): Promise<{ until: Date; used: Map<string, Resources> }> {
  const first = sql<Date>`greatest(${since}::timestamptz, now() - ${HALF_LIVES * halfLifeMs} * interval '1 millisecond')`;
  const counts = (time: RawBuilder<unknown>) =>
    sql`0.5::float8 ^ least(1000, greatest(0, extract(epoch from now() - ${time}) * 1000 / ${halfLifeMs}::float8))`;
  const between = (from: RawBuilder<unknown>, to: RawBuilder<unknown>) =>
    sql<number>`coalesce(greatest(0, ${counts(to)} - ${counts(sql`greatest(${from}, ${first})`)}), 0)`;
  const earlier = between(sql`used_until - used_ms * interval '1 millisecond'`, sql`used_until`);
  const present = between(sql`begun_at`, sql`coalesce(ended_at, now())`);
  const weight = sql`((case when used_until is null then 0 else ${earlier} end)
    + (case when begun_at is null then 0 else ${present} end))`;
  const sum = (column: string) => sql<number>`sum(${sql.ref(column)}::float8 * workers * ${weight})::float8`;
  const { until } = await tables(em)
    .selectNoFrom(sql<Date>`now()`.as('until'))
    .executeTakeFirstOrThrow();
  const rows = await tables(em)
    .selectFrom('job')
    .select(['tenant', sum('cores').as('cores'), sum('memory_bytes').as('memoryBytes'), sum('gpus').as('gpus')])
    .where((where) =>
      where.or([where('status', '=', 'RUNNING'), where('ended_at', '>', first), where('used_until', '>', first)]),
    )
    .groupBy('tenant')
    .execute();
  return { until, used: new Map(rows.map(({ tenant, ...amounts }) => [tenant, amounts])) };
}

export interface WorkerReport extends Capacity {
  id: string;
  queues: readonly string[];
}

export async function saveWorker(em: EntityManager, { id, slots, cores, memoryBytes, gpus, queues }: WorkerReport) {
  const row = { slots, cores, memory_bytes: memoryBytes, gpus, queues: toJson([...queues]), seen_at: sql<Date>`now()` };
  await tables(em)
    .insertInto('worker')
    .values({ id, ...row })
    .onConflict((on) => on.column('id').doUpdateSet(row))
    .execute();
}

/** Deletes the worker, and those that have been silent for so long that they cannot come back. */
export async function deleteWorker(em: EntityManager, id: string, silentForMs: number): Promise<void> {
  await tables(em)
    .deleteFrom('worker')
    .where((where) =>
      where.or([
        where('id', '=', id),
        where('seen_at', '<', sql<Date>`now() - ${silentForMs} * interval '1 millisecond'`),
      ]),
    )
    .execute();
}

/** The workers that gave a sign of life lately. */
export function workersSeen(em: EntityManager, withinMs: number): Promise<WorkerReport[]> {
  return tables(em)
    .selectFrom('worker')
    .select(['id', 'slots', 'cores', 'memory_bytes as memoryBytes', 'gpus', 'queues'])
    .where('seen_at', '>', sql<Date>`now() - ${withinMs} * interval '1 millisecond'`)
    .orderBy('id')
    .execute();
}

/** A job that ended. */
export interface EndedJobRow extends Demand {
  queue: string;
  createdMs: number;
  endedMs: number;
  /** Null when it never began. */
  durationMs: number | null;
}

/** The jobs of all tenants that ended last, the newest first. */
export async function lastEnded(em: EntityManager, limit: number): Promise<EndedJobRow[]> {
  const rows = await tables(em)
    .selectFrom('job')
    .select(['tenant', 'kind', 'queue', 'priority', 'status'])
    .select([
      sql<number>`cores * workers`.as('cores'),
      sql<number>`(memory_bytes * workers)::float8`.as('memoryBytes'),
      sql<number>`gpus * workers`.as('gpus'),
    ])
    .select([
      'created_at as createdAt',
      sql<Date>`ended_at`.as('endedAt'),
      sql<number | null>`(used_ms + 1000 * extract(epoch from ended_at - begun_at))::float8`.as('durationMs'),
    ])
    .where('ended_at', 'is not', null)
    .orderBy('ended_at', 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ createdAt, endedAt, status, durationMs, ...row }) => ({
    ...row,
    createdMs: createdAt.getTime(),
    endedMs: endedAt.getTime(),
    isOutside: row.queue === OUTSIDE_QUEUE,
    // One that was cancelled says how long somebody was patient.
    durationMs: status === 'CANCELLED' ? null : durationMs,
  }));
}
