import { sql } from 'kysely';
import { LoggedDataset } from '../../../db/entities/experiments/logged-dataset.entity.js';
import { MetricLatest } from '../../../db/entities/experiments/metric-latest.entity.js';
import { MetricPoint } from '../../../db/entities/experiments/metric-point.entity.js';
import { RunCounter } from '../../../db/entities/experiments/run-counter.entity.js';
import { RunLog } from '../../../db/entities/experiments/run-log.entity.js';
import { RunParam, RunTag } from '../../../db/entities/experiments/run-pair.entity.js';
import { Run } from '../../../db/entities/experiments/run.entity.js';
import type { Session } from '../../../db/database.js';
import { type BulkRow, insertNew } from '../../../db/bulk-insert.js';
import { anyOf, tablesOf } from '../../../db/tables.js';
import type { PairTable } from './pairs.js';

const tables = tablesOf(Run, RunCounter, MetricPoint, MetricLatest);

// Rows may exist already, from an attempt that failed: each function returns how many were new.

/** Adds runs. They stay invisible until `revealRuns`. */
export async function addImportedRuns(
  { em, tenant }: Session,
  runs: readonly Omit<BulkRow<typeof Run>, 'tenant' | 'state' | 'deleted_at'>[],
  hiddenAt: Date,
): Promise<number> {
  const hidden = { tenant, state: 'DELETED', deleted_at: hiddenAt.toISOString() } as const;
  const added = await insertNew(
    em,
    Run,
    runs.map((run) => ({ ...run, ...hidden })),
  );
  const counters = runs.map(({ id }) => ({ tenant, run_id: id, last_seq: 0 }));
  return added + (await insertNew(em, RunCounter, counters));
}

export function addImportedPairs(
  { em, tenant }: Session,
  table: PairTable,
  pairs: readonly { run_id: string; key: string; value: string }[],
): Promise<number> {
  return insertNew(
    em,
    table === 'run_param' ? RunParam : RunTag,
    pairs.map((pair) => ({ tenant, ...pair })),
  );
}

export function addImportedDatasets(
  { em, tenant }: Session,
  datasets: readonly Omit<BulkRow<typeof LoggedDataset>, 'tenant'>[],
): Promise<number> {
  return insertNew(
    em,
    LoggedDataset,
    datasets.map((dataset) => ({ tenant, ...dataset })),
  );
}

/** Adds points of one run after its existing points. */
export async function addImportedPoints(
  { em, tenant }: Session,
  runId: string,
  points: readonly Omit<BulkRow<typeof MetricPoint>, 'tenant' | 'run_id' | 'seq'>[],
): Promise<number> {
  const counter = await tables(em)
    .updateTable('run_counter')
    .set((set) => ({ last_seq: set('last_seq', '+', points.length) }))
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .returning('last_seq as last')
    .executeTakeFirstOrThrow();
  const base = counter.last - points.length;
  return insertNew(
    em,
    MetricPoint,
    points.map((point, i) => ({ tenant, run_id: runId, ...point, seq: base + i + 1 })),
  );
}

/** Adds lines of one run with their original numbers. */
export async function addImportedLines(
  { em, tenant }: Session,
  runId: string,
  lines: readonly (Omit<BulkRow<typeof RunLog>, 'tenant' | 'run_id'> & { seq: number })[],
): Promise<number> {
  const added = await insertNew(
    em,
    RunLog,
    lines.map((line) => ({ tenant, run_id: runId, ...line })),
  );
  const last = lines.at(-1)?.seq ?? 0;
  await tables(em)
    .updateTable('run')
    .set({ last_log_seq: sql<number>`greatest(last_log_seq, ${last})` })
    .where('tenant', '=', tenant)
    .where('id', '=', runId)
    .execute();
  return added;
}

/** Writes the latest point of each metric, which lists and filters read. */
export async function findLatestPoints({ em, tenant }: Session, runId: string): Promise<void> {
  await tables(em)
    .insertInto('metric_latest')
    .columns(['tenant', 'run_id', 'key', 'step', 'logged_at', 'value'])
    .expression((from) =>
      from
        .selectFrom('metric_point')
        .distinctOn('key')
        .select(['tenant', 'run_id', 'key', 'step', 'logged_at', 'value'])
        .where('tenant', '=', tenant)
        .where('run_id', '=', runId)
        .orderBy('key')
        .orderBy('step', 'desc')
        .orderBy('logged_at', 'desc')
        .orderBy('value', 'desc'),
    )
    .onConflict((on) =>
      on.columns(['run_id', 'key']).doUpdateSet((set) => ({
        step: set.ref('excluded.step'),
        logged_at: set.ref('excluded.logged_at'),
        value: set.ref('excluded.value'),
      })),
    )
    .execute();
}

/** Makes the imported runs of an experiment visible; those that were deleted in the archive stay deleted. */
export async function revealRuns(
  { em, tenant }: Session,
  experimentId: string,
  deletedIds: readonly string[],
): Promise<void> {
  await tables(em)
    .updateTable('run')
    .set({ state: 'ACTIVE', deleted_at: null })
    .where('tenant', '=', tenant)
    .where('experiment_id', '=', experimentId)
    .where((where) => where.not(where('id', '=', anyOf('uuid', deletedIds))))
    .execute();
}

/** Sets the parent of each of these runs. */
export async function setParents(
  { em, tenant }: Session,
  children: readonly { id: string; parentId: string }[],
): Promise<void> {
  const ids = children.map(({ id }) => id);
  const parentIds = children.map(({ parentId }) => parentId);
  const pairs = sql<{ id: string; parent: string }>`unnest(${ids}::uuid[], ${parentIds}::uuid[])`;
  await tables(em)
    .updateTable('run')
    .from(pairs.as<'p'>(sql`p(id, parent)`))
    .set((set) => ({ parent_run_id: set.ref('p.parent') }))
    .where('run.tenant', '=', tenant)
    .whereRef('run.id', '=', 'p.id')
    .execute();
}
