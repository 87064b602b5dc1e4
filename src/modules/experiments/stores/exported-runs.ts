import { sql } from 'kysely';
import { LoggedDataset } from '../../../db/entities/experiments/logged-dataset.entity.js';
import { MetricPoint } from '../../../db/entities/experiments/metric-point.entity.js';
import { RunLog } from '../../../db/entities/experiments/run-log.entity.js';
import { RunParam, RunTag } from '../../../db/entities/experiments/run-pair.entity.js';
import { Run } from '../../../db/entities/experiments/run.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf } from '../../../db/tables.js';
import type { PairTable } from './pairs.js';

const tables = tablesOf(Run, RunParam, RunTag, LoggedDataset, MetricPoint, RunLog);

/** Milliseconds with microseconds as a fraction. */
const MS = sql<number>`extract(epoch from logged_at)::float8 * 1000`.as('ms');

/** The next runs of an experiment, ordered by id, including deleted ones, with their parameters and tags. */
export function exportedRuns({ em, tenant }: Session, experimentId: string, afterId: string, limit: number) {
  const pairs = (table: PairTable) =>
    tables(em)
      .selectFrom(table)
      .select(sql<Record<string, string>>`coalesce(jsonb_object_agg(key, value), '{}')`.as('pairs'))
      .where('run_id', '=', sql.ref<string>('r.id'));
  return tables(em)
    .selectFrom('run as r')
    .select([
      ...(['r.id', 'r.name', 'r.status', 'r.state', 'r.started_at as startedAt', 'r.ended_at as endedAt'] as const),
      ...(['r.created_at as createdAt', 'r.created_by as createdBy', 'r.parent_run_id as parentRunId'] as const),
      sql<Record<string, string>>`(${pairs('run_param')})`.as('params'),
      sql<Record<string, string>>`(${pairs('run_tag')})`.as('tags'),
    ])
    .where('r.tenant', '=', tenant)
    .where('r.experiment_id', '=', experimentId)
    .where('r.id', '>', afterId)
    .orderBy('r.id')
    .limit(limit)
    .execute();
}

/** The ids of all runs of an experiment, in order, one page at a time. */
export async function runIdsAfter(
  { em, tenant }: Session,
  experimentId: string,
  afterId: string,
  limit: number,
): Promise<string[]> {
  const runs = await tables(em)
    .selectFrom('run')
    .select('id')
    .where('tenant', '=', tenant)
    .where('experiment_id', '=', experimentId)
    .where('id', '>', afterId)
    .orderBy('id')
    .limit(limit)
    .execute();
  return runs.map(({ id }) => id);
}

/** The logged datasets of a run. */
export function exportedDatasets({ em, tenant }: Session, runId: string) {
  return tables(em)
    .selectFrom('logged_dataset')
    .select(['run_id as run', 'direction', 'name', 'digest', 'source_type as sourceType', 'source', 'schema'])
    .select(['profile', 'tags'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .orderBy('id')
    .execute();
}

/** Points of a run after a place, in the order of arrival. */
export function pointsAfter({ em, tenant }: Session, runId: string, seq: number, limit: number) {
  return tables(em)
    .selectFrom('metric_point')
    .select(['seq', 'key', 'step', MS, 'value'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('seq', '>', seq)
    .orderBy('seq')
    .limit(limit)
    .execute();
}

/** Lines of a run after a place; times have microseconds. */
export function exportedLines({ em, tenant }: Session, runId: string, seq: number, limit: number) {
  return tables(em)
    .selectFrom('run_log')
    .select(['seq', MS, 'stream', 'line'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('seq', '>', seq)
    .orderBy('seq')
    .limit(limit)
    .execute();
}
