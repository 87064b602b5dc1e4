import { sql } from 'kysely';
import { LoggedModelMetric } from '../../db/entities/logged-models/logged-model-metric.entity.js';
import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import { RunModel } from '../../db/entities/logged-models/run-model.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import { type BulkRow, insertNew } from '../../db/bulk-insert.js';
import type { Session } from '../../db/database.js';
import { anyOf, tablesOf } from '../../db/tables.js';

const tables = tablesOf(LoggedModel, LoggedModelMetric, RunModel, Run);

/** Ids of the runs of an experiment. */
const runsIn = ({ em, tenant }: Session, experimentId: string) =>
  tables(em).selectFrom('run').select('id').where('tenant', '=', tenant).where('experiment_id', '=', experimentId);

/**
 * The next models of an experiment, ordered by id, including deleted ones; with their run when it is in the same
 * experiment.
 */
export function exportedModels(session: Session, experimentId: string, afterId: string, limit: number) {
  return tables(session.em)
    .selectFrom('logged_model as m')
    .leftJoin('run as r', (on) =>
      on
        .onRef('r.tenant', '=', 'm.tenant')
        .onRef('r.id', '=', 'm.run_id')
        .onRef('r.experiment_id', '=', 'm.experiment_id'),
    )
    .select(['m.id', 'r.id as runId', 'm.name', 'm.status', 'm.status_message as statusMessage'])
    .select(['m.model_type as modelType', 'm.params', 'm.tags', 'm.state', 'm.created_at as createdAt'])
    .select('m.created_by as createdBy')
    .where('m.tenant', '=', session.tenant)
    .where('m.experiment_id', '=', experimentId)
    .where('m.id', '>', afterId)
    .orderBy('m.id')
    .limit(limit)
    .execute();
}

/** Metrics of a model that runs of the experiment logged, with times to the microsecond. */
export function exportedModelMetrics(session: Session, experimentId: string, loggedModelId: string) {
  return tables(session.em)
    .selectFrom('logged_model_metric')
    .select(['logged_model_id as model', 'run_id as run', 'key', 'step', 'value', 'dataset_name as datasetName'])
    .select(['dataset_digest as datasetDigest', sql<number>`extract(epoch from logged_at)::float8 * 1000`.as('ms')])
    .where('tenant', '=', session.tenant)
    .where('logged_model_id', '=', loggedModelId)
    .where('run_id', 'in', runsIn(session, experimentId))
    .orderBy('key')
    .orderBy('step')
    .orderBy('logged_at')
    .orderBy('value')
    .execute();
}

/** Which runs of the experiment read or created a model. */
export function exportedLinks(session: Session, experimentId: string, loggedModelId: string) {
  return tables(session.em)
    .selectFrom('run_model')
    .select(['run_id as run', 'logged_model_id as model', 'direction', 'step'])
    .where('tenant', '=', session.tenant)
    .where('logged_model_id', '=', loggedModelId)
    .where('run_id', 'in', runsIn(session, experimentId))
    .orderBy('id')
    .execute();
}

// Rows may exist already, from an attempt that failed: each function returns how many were new.

/** Adds models. They stay invisible until `revealModels`. */
export function addImportedModels(
  { em, tenant }: Session,
  models: readonly Omit<BulkRow<typeof LoggedModel>, 'tenant' | 'state' | 'deleted_at'>[],
  hiddenAt: Date,
): Promise<number> {
  const hidden = { tenant, state: 'DELETED', deleted_at: hiddenAt.toISOString() } as const;
  return insertNew(
    em,
    LoggedModel,
    models.map((model) => ({ ...model, ...hidden })),
  );
}

export function addImportedModelMetrics(
  { em, tenant }: Session,
  metrics: readonly Omit<BulkRow<typeof LoggedModelMetric>, 'tenant'>[],
): Promise<number> {
  return insertNew(
    em,
    LoggedModelMetric,
    metrics.map((metric) => ({ tenant, ...metric })),
  );
}

export function addImportedLinks(
  { em, tenant }: Session,
  links: readonly Omit<BulkRow<typeof RunModel>, 'tenant'>[],
): Promise<number> {
  return insertNew(
    em,
    RunModel,
    links.map((link) => ({ tenant, ...link })),
  );
}

/** Makes the imported models of an experiment visible; those that were deleted in the archive stay deleted. */
export async function revealModels(
  { em, tenant }: Session,
  experimentId: string,
  deletedIds: readonly string[],
): Promise<void> {
  await tables(em)
    .updateTable('logged_model')
    .set({ state: 'ACTIVE', deleted_at: null })
    .where('tenant', '=', tenant)
    .where('experiment_id', '=', experimentId)
    .where((where) => where.not(where('id', '=', anyOf('uuid', deletedIds))))
    .execute();
}
