import { sql } from 'kysely';
import { Experiment } from '../../../db/entities/experiments/experiment.entity.js';
import { MetricPoint } from '../../../db/entities/experiments/metric-point.entity.js';
import { RunCounter } from '../../../db/entities/experiments/run-counter.entity.js';
import { RunLog } from '../../../db/entities/experiments/run-log.entity.js';
import { Run } from '../../../db/entities/experiments/run.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(Run, RunCounter, MetricPoint, RunLog, Experiment);

/** Begins the collection of a deleted run. From now on it cannot be restored, because parts of it are removed. */
export async function beginCollection({ em, tenant }: Session, runId: string): Promise<void> {
  await tables(em)
    .updateTable('run')
    .set({ collection_began_at: new Date() })
    .where('tenant', '=', tenant)
    .where('id', '=', runId)
    .where('collection_began_at', 'is', null)
    .execute();
}

/**
 * Deletes at most `limit` points or log lines of a run and returns how many. Deleting millions at once would block
 * others.
 */
export async function deleteSome(
  { em, tenant }: Session,
  table: 'metric_point' | 'run_log',
  runId: string,
  limit: number,
): Promise<number> {
  const some = tables(em)
    .selectFrom(table)
    .select(sql<string>`ctid`.as('place'))
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .limit(limit);
  const deleted = await tables(em)
    .deleteFrom(table)
    .where(sql<boolean>`ctid = any(array(${some}))`)
    .executeTakeFirst();
  return Number(deleted.numDeletedRows);
}

/** Deletes the row of a run, with the rows that refer to it by foreign keys. */
export async function deleteRun({ em, tenant }: Session, runId: string): Promise<void> {
  // The counter is deleted first: a transaction that logs a point now holds it, and a later one does not find it. So no
  // point can follow.
  await tables(em).deleteFrom('run_counter').where('tenant', '=', tenant).where('run_id', '=', runId).execute();
  await tables(em).deleteFrom('metric_point').where('tenant', '=', tenant).where('run_id', '=', runId).execute();
  await tables(em).deleteFrom('run').where('tenant', '=', tenant).where('id', '=', runId).execute();
}

export async function deleteExperiment({ em, tenant }: Session, id: string): Promise<void> {
  await tables(em).deleteFrom('experiment').where('tenant', '=', tenant).where('id', '=', id).execute();
}
