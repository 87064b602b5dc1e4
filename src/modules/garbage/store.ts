import { sql, type ExpressionBuilder } from 'kysely';
import { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { Checkpoint } from '../../db/entities/training/checkpoint.entity.js';
import { DirectUpload } from '../../db/entities/uploads/direct-upload.entity.js';
import type { Session } from '../../db/database.js';
import { anyOf, tablesOf, type TablesOf } from '../../db/tables.js';
import { toHexId } from '../core/index.js';
import { deleteExperiment, deleteRun } from '../experiments/index.js';
import { deleteExternalRefs, deleteMirrorTasks } from '../exchange/index.js';
import { deleteJobsOfRun } from '../jobs/index.js';
import { deleteLoggedModel } from '../logged-models/index.js';

const ENTITIES = [
  ...([Run, Experiment, LoggedModel, Job] as const),
  ...([Model, ModelVersion, Artifact, Checkpoint, DirectUpload] as const),
] as const;

const tables = tablesOf(...ENTITIES);

type Tables = TablesOf<(typeof ENTITIES)[number]>;

/** What a collection may remove: objects that were deleted before a given time. If it lists ids, only those. */
export interface GarbageScope {
  deletedBefore: string;
  experimentIds: string[] | null;
  runIds: string[] | null;
}

export interface Candidate {
  id: string;
  name: string;
}

/** Experiments that an archive import is writing. They are marked as deleted until it is done. */
const beingImported = ({ em, tenant }: Session) =>
  tables(em)
    .selectFrom('experiment as e')
    .innerJoin('job as j', (on) =>
      on
        .onRef('j.tenant', '=', 'e.tenant')
        .onRef('j.id', '=', 'e.import_job_id')
        .on('j.status', 'in', ['QUEUED', 'RUNNING']),
    )
    .select('e.id')
    .where('e.tenant', '=', tenant);

/** False when only runs are named. */
export const takesExperiments = ({ experimentIds, runIds }: GarbageScope) => runIds === null || experimentIds !== null;

/** If both lists are given, a run of either matches. */
function runsOf(session: Session, { deletedBefore, experimentIds, runIds }: GarbageScope) {
  return tables(session.em)
    .selectFrom('run')
    .where('tenant', '=', session.tenant)
    .where('state', '=', 'DELETED')
    .where('deleted_at', '<=', new Date(deletedBefore))
    .where('experiment_id', 'not in', beingImported(session))
    .$if(experimentIds !== null || runIds !== null, (query) =>
      query.where((where) =>
        where.or([
          where('experiment_id', '=', anyOf('uuid', experimentIds ?? [])),
          where('id', '=', anyOf('uuid', runIds ?? [])),
        ]),
      ),
    );
}

function experimentsOf({ em, tenant }: Session, { deletedBefore, experimentIds }: GarbageScope) {
  return tables(em)
    .selectFrom('experiment')
    .where('tenant', '=', tenant)
    .where('state', '=', 'DELETED')
    .where('deleted_at', '<=', new Date(deletedBefore))
    .$if(experimentIds !== null, (query) => query.where('id', '=', anyOf('uuid', experimentIds ?? [])));
}

/** The next runs, ordered by id. */
export function deletedRuns(
  session: Session,
  scope: GarbageScope,
  afterId: string,
  limit: number,
): Promise<Candidate[]> {
  return runsOf(session, scope).select(['id', 'name']).where('id', '>', afterId).orderBy('id').limit(limit).execute();
}

/** Deleted logged models, and all logged models of deleted experiments. */
export function deletedModels(
  session: Session,
  scope: GarbageScope,
  afterId: string,
  limit: number,
): Promise<Candidate[]> {
  const { em, tenant } = session;
  const { experimentIds } = scope;
  const goneExperiments = experimentsOf(session, { ...scope, experimentIds: null }).select('id');
  return tables(em)
    .selectFrom('logged_model')
    .select(['id', 'name'])
    .where('tenant', '=', tenant)
    .where('id', '>', afterId)
    .$if(experimentIds !== null, (query) => query.where('experiment_id', '=', anyOf('uuid', experimentIds ?? [])))
    .where('experiment_id', 'not in', beingImported(session))
    .where((where) =>
      where.or([
        where.and([where('state', '=', 'DELETED'), where('deleted_at', '<=', new Date(scope.deletedBefore))]),
        where('experiment_id', 'in', goneExperiments),
      ]),
    )
    .orderBy('id')
    .limit(limit)
    .execute();
}

export function deletedExperiments(
  session: Session,
  scope: GarbageScope,
  afterId: string,
  limit: number,
): Promise<Candidate[]> {
  return experimentsOf(session, scope)
    .select(['id', 'name'])
    .where('id', '>', afterId)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Counts runs and experiments. */
export async function countDeleted(session: Session, scope: GarbageScope): Promise<number> {
  const runs = await runsOf(session, scope)
    .select((select) => select.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  if (!takesExperiments(scope)) return runs.count;
  const experiments = await experimentsOf(session, scope)
    .select((select) => select.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return runs.count + experiments.count;
}

/** Locks the experiment of a run or logged model against imports. False while an import is writing it. */
async function lockExperimentOf(session: Session, table: 'run' | 'logged_model', id: string): Promise<boolean> {
  const { em, tenant } = session;
  const experiment = await tables(em)
    .selectFrom('experiment')
    .select('id')
    .where('tenant', '=', tenant)
    .where('id', '=', (from) =>
      from.selectFrom(table).select('experiment_id').where('tenant', '=', tenant).where('id', '=', id),
    )
    .forNoKeyUpdate()
    .executeTakeFirst();
  return experiment !== undefined && !(await isBeingImported(session, experiment.id));
}

async function isBeingImported(session: Session, experimentId: string): Promise<boolean> {
  return (await beingImported(session).where('e.id', '=', experimentId).execute()).length > 0;
}

/** Locks the run. Null when it does not exist, or was restored or deleted again meanwhile. */
export async function lockDeletedRun(session: Session, id: string, deletedBefore: string): Promise<Candidate | null> {
  if (!(await lockExperimentOf(session, 'run', id))) return null;
  const run = await tables(session.em)
    .selectFrom('run')
    .select(['id', 'name'])
    .where('tenant', '=', session.tenant)
    .where('id', '=', id)
    .where('state', '=', 'DELETED')
    .where('deleted_at', '<=', new Date(deletedBefore))
    .forUpdate()
    .executeTakeFirst();
  return run ?? null;
}

/**
 * The same for a logged model and its experiment: false when it does not exist, or when its experiment was restored.
 */
export async function lockDeletedModel(session: Session, id: string, deletedBefore: string): Promise<boolean> {
  if (!(await lockExperimentOf(session, 'logged_model', id))) return false;
  const before = new Date(deletedBefore);
  const locked = await tables(session.em)
    .selectFrom('logged_model as l')
    .innerJoin('experiment as e', (on) => on.onRef('e.tenant', '=', 'l.tenant').onRef('e.id', '=', 'l.experiment_id'))
    .select('l.id')
    .where('l.tenant', '=', session.tenant)
    .where('l.id', '=', id)
    .where((where) =>
      where.or([
        where.and([where('l.state', '=', 'DELETED'), where('l.deleted_at', '<=', before)]),
        where.and([where('e.state', '=', 'DELETED'), where('e.deleted_at', '<=', before)]),
      ]),
    )
    .forUpdate()
    .execute();
  return locked.length > 0;
}

const MAX_VERSIONS_SHOWN = 5;

/** Versions that came from the run, or from a model that it logged, e.g. "cars 3". */
export function versionsFromRun(session: Session, runId: string): Promise<string[]> {
  const { em, tenant } = session;
  return versionsWhere(session, (where) =>
    where.or([
      where('v.run_id', '=', runId),
      where('v.source_uri', 'like', `runs:/${toHexId(runId)}/%`),
      where(
        'v.logged_model_id',
        'in',
        tables(em).selectFrom('logged_model').select('id').where('tenant', '=', tenant).where('run_id', '=', runId),
      ),
      where(
        'v.source_key',
        'in',
        tables(em).selectFrom('artifact').select('object_key').where('tenant', '=', tenant).where('run_id', '=', runId),
      ),
    ]),
  );
}

export function versionsFromModel(session: Session, loggedModelId: string): Promise<string[]> {
  return versionsWhere(session, (where) => where('v.logged_model_id', '=', loggedModelId));
}

type Versions = Tables & { v: Tables['model_version']; m: Tables['model'] };

async function versionsWhere(
  { em, tenant }: Session,
  condition: (
    where: ExpressionBuilder<Versions, 'v' | 'm'>,
  ) => ReturnType<ExpressionBuilder<Versions, 'v' | 'm'>['or']>,
): Promise<string[]> {
  const rows = await tables(em)
    .selectFrom('model_version as v')
    .innerJoin('model as m', 'm.id', 'v.model_id')
    .select(sql<string>`m.name || ' ' || v.version`.as('version'))
    .where('v.tenant', '=', tenant)
    .where(condition)
    .orderBy('version')
    .limit(MAX_VERSIONS_SHOWN)
    .execute();
  return rows.map(({ version }) => version);
}

/** An unfinished upload in parts. The object store holds the parts beside its files. */
export interface OpenUpload {
  objectKey: string;
  storeUploadId: string;
}

/** The open uploads of a run or logged model. Their rows are deleted with its row. */
export function openUploads({ em, tenant }: Session, ownerId: string): Promise<OpenUpload[]> {
  return tables(em)
    .selectFrom('direct_upload')
    .select(['object_key as objectKey', 'store_upload_id as storeUploadId'])
    .where('tenant', '=', tenant)
    .where((where) => where.or([where('run_id', '=', ownerId), where('logged_model_id', '=', ownerId)]))
    .execute();
}

/**
 * Deletes the row of a run and everything that belongs to it, with its jobs of these kinds. Returns the keys of the
 * files that no row names any more.
 */
export async function deleteRunRow(session: Session, runId: string, kindsOfRun: readonly string[]): Promise<string[]> {
  const { em, tenant } = session;
  const jobs = tables(em)
    .selectFrom('job')
    .select('id')
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('kind', '=', anyOf('text', kindsOfRun));
  const keys = await tables(em)
    .selectFrom('artifact')
    .select('object_key as key')
    .where('tenant', '=', tenant)
    .where((where) => where.or([where('run_id', '=', runId), where('job_id', 'in', jobs)]))
    .union((from) =>
      from
        .selectFrom('checkpoint')
        .select('object_key as key')
        .where('tenant', '=', tenant)
        .where('job_id', 'in', jobs),
    )
    .execute();
  await deleteJobsOfRun(session, runId, kindsOfRun);
  await deleteRemoteRefs(session, runId);
  await deleteRun(session, runId);
  return keys.map(({ key }) => key);
}

/** The same for a logged model. */
export async function deleteModelRow(session: Session, id: string): Promise<string[]> {
  const keys = await tables(session.em)
    .selectFrom('artifact')
    .select('object_key as key')
    .where('tenant', '=', session.tenant)
    .where('logged_model_id', '=', id)
    .execute();
  await deleteRemoteRefs(session, id);
  await deleteLoggedModel(session, id);
  return keys.map(({ key }) => key);
}

/** Deletes an experiment; null when it was deleted, otherwise the reason why it must stay. */
export async function deleteExperimentRow(session: Session, id: string, deletedBefore: string): Promise<string | null> {
  const { em, tenant } = session;
  const experiment = await experimentsOf(session, { deletedBefore, experimentIds: [id], runIds: null })
    .select('id')
    .forUpdate()
    .executeTakeFirst();
  if (!experiment) return 'it was restored meanwhile';
  if (await isBeingImported(session, id)) return 'an import is writing it';
  const count = async (table: 'run' | 'logged_model') => {
    const { counted } = await tables(em)
      .selectFrom(table)
      .select((select) => select.fn.countAll<number>().as('counted'))
      .where('tenant', '=', tenant)
      .where('experiment_id', '=', id)
      .executeTakeFirstOrThrow();
    return counted;
  };
  const [runs, models] = [await count('run'), await count('logged_model')];
  const parts = [...(runs ? [`${runs} runs`] : []), ...(models ? [`${models} logged models`] : [])];
  if (parts.length > 0) return `${parts.join(' and ')} of it stay`;
  await deleteRemoteRefs(session, id);
  await deleteExperiment(session, id);
  return null;
}

/** Deletes its ids in other tracking servers, in the order in which a mirror locks the rows. */
async function deleteRemoteRefs(session: Session, localId: string): Promise<void> {
  await deleteMirrorTasks(session, localId);
  await deleteExternalRefs(session, localId);
}
