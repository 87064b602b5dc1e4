import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { toHexId } from '../core/index.js';

/** What a collection may take: things that were deleted before an instant, and of those only some where it says so. */
export interface GarbageScope {
  deletedBefore: string;
  experimentIds: string[] | null;
  runIds: string[] | null;
}

export interface Candidate {
  id: string;
  name: string;
}

/** Experiments that the import of an archive writes just now: they are deleted until it is done. */
const BEING_IMPORTED = `
  (select r.local_id from external_ref r join job j on j.tenant = r.tenant and j.id = (r.synced ->> 'jobId')::uuid and j.status in ('QUEUED', 'RUNNING')
   where r.tenant = ? and r.kind = 'EXPERIMENT' and starts_with(r.server, 'archive:') and not (r.synced ->> 'done')::boolean)`;
const IN_TIME = `state = 'DELETED' and deleted_at <= ?::timestamptz`;
const OF_SCOPE = `(?::uuid[] is null or experiment_id = any(?::uuid[]))`;

const RUNS = `from run where tenant = ? and ${IN_TIME} and experiment_id not in ${BEING_IMPORTED}
  and ((?::uuid[] is null and ?::uuid[] is null) or experiment_id = any(?::uuid[]) or id = any(?::uuid[]))`;
const EXPERIMENTS = `from experiment where tenant = ? and ${IN_TIME} and (?::uuid[] is null or id = any(?::uuid[]))`;
const runsOf = ({ tenant }: Session, { deletedBefore, experimentIds, runIds }: GarbageScope) => [
  ...[tenant, deletedBefore, tenant],
  ...[experimentIds, runIds, experimentIds, runIds],
];
const experimentsOf = ({ tenant }: Session, { deletedBefore, experimentIds }: GarbageScope) => [
  ...[tenant, deletedBefore, experimentIds, experimentIds],
];

/** Only runs where only runs are named. */
export const takesExperiments = ({ experimentIds, runIds }: GarbageScope) => runIds === null || experimentIds !== null;

/** The next runs in the order of their ids. With both lists, a run of either. */
export function deletedRuns(
  session: Session,
  scope: GarbageScope,
  afterId: string,
  limit: number,
): Promise<Candidate[]> {
  return sql(session.em, `select id, name ${RUNS} and id > ?::uuid order by id limit ?`, [
    ...runsOf(session, scope),
    afterId,
    limit,
  ]);
}

/** Deleted ones, and all of experiments that are deleted. */
export function deletedModels(
  session: Session,
  scope: GarbageScope,
  afterId: string,
  limit: number,
): Promise<Candidate[]> {
  return sql(
    session.em,
    `select id, name from logged_model where tenant = ? and id > ?::uuid and ${OF_SCOPE} and experiment_id not in ${BEING_IMPORTED}
       and ((${IN_TIME}) or experiment_id in (select id from experiment where tenant = ? and ${IN_TIME})) order by id limit ?`,
    [
      ...[session.tenant, afterId, scope.experimentIds, scope.experimentIds, session.tenant],
      ...[scope.deletedBefore, session.tenant, scope.deletedBefore, limit],
    ],
  );
}

export function deletedExperiments(
  session: Session,
  scope: GarbageScope,
  afterId: string,
  limit: number,
): Promise<Candidate[]> {
  return sql(session.em, `select id, name ${EXPERIMENTS} and id > ?::uuid order by id limit ?`, [
    ...experimentsOf(session, scope),
    ...[afterId, limit],
  ]);
}

/** Runs and experiments. */
export async function countDeleted(session: Session, scope: GarbageScope): Promise<number> {
  const [count] = await sql<{ things: number }>(
    session.em,
    `select ((select count(*) ${RUNS}) + (select count(*) ${EXPERIMENTS} and ?))::int as things`,
    [...runsOf(session, scope), ...experimentsOf(session, scope), takesExperiments(scope)],
  );
  return count?.things ?? 0;
}

/** Keeps an import from going on with the experiment that a thing is in; false while one is at it. */
async function lockExperimentOf(session: Session, table: 'run' | 'logged_model', id: string): Promise<boolean> {
  const [experiment] = await sql<{ id: string }>(
    session.em,
    `select id from experiment where tenant = ? and id = (select experiment_id from ${table} where tenant = ` +
      '? and id = ?) for no key update',
    [session.tenant, session.tenant, id],
  );
  return experiment !== undefined && !(await isBeingImported(session, experiment.id));
}

async function isBeingImported(session: Session, experimentId: string): Promise<boolean> {
  return (
    (await sql(session.em, `select 1 where ?::uuid in ${BEING_IMPORTED}`, [experimentId, session.tenant])).length > 0
  );
}

/** Locks the run. Null when it is gone, was restored or deleted anew meanwhile. */
export async function lockDeletedRun(session: Session, id: string, deletedBefore: string): Promise<Candidate | null> {
  if (!(await lockExperimentOf(session, 'run', id))) return null;
  const rows = await sql<Candidate>(
    session.em,
    `select id, name from run where tenant = ? and id = ? and ${IN_TIME} for update`,
    [session.tenant, id, deletedBefore],
  );
  return rows[0] ?? null;
}

/**
 * The same of a logged model and its experiment: false when it is gone, or is wanted again since its experiment was
 * restored.
 */
export async function lockDeletedModel(session: Session, id: string, deletedBefore: string): Promise<boolean> {
  if (!(await lockExperimentOf(session, 'logged_model', id))) return false;
  const rows = await sql(
    session.em,
    `select l.id from logged_model l join experiment e on e.tenant = l.tenant and e.id = l.experiment_id
     where l.tenant = ? and l.id = ? and ((l.state = 'DELETED' and l.deleted_at <= ?::timestamptz) or (e.state = 'DELETED' and e.deleted_at <= ?::timestamptz))
     for update`,
    [session.tenant, id, deletedBefore, deletedBefore],
  );
  return rows.length > 0;
}

/** Versions that came from the run, or from a model that it logged, e.g. "cars 3". */
export async function versionsFromRun(session: Session, runId: string): Promise<string[]> {
  const rows = await sql<{ version: string }>(
    session.em,
    `select m.name || ' ' || v.version as version from model_version v join model m on m.id = v.model_id
     where v.tenant = ? and (v.run_id = ? or v.source_uri like ?
       or v.logged_model_id in (select id from logged_model where tenant = ? and run_id = ?)
       or v.source_key in (select object_key from artifact where tenant = ? and run_id = ?))
     order by 1 limit 5`,
    [session.tenant, runId, `runs:/${toHexId(runId)}/%`, session.tenant, runId, session.tenant, runId],
  );
  return rows.map(({ version }) => version);
}

export async function versionsFromModel(session: Session, loggedModelId: string): Promise<string[]> {
  const rows = await sql<{ version: string }>(
    session.em,
    `select m.name || ' ' || v.version as version from model_version v join model m on m.id = v.model_id
     where v.tenant = ? and v.logged_model_id = ? order by 1 limit 5`,
    [session.tenant, loggedModelId],
  );
  return rows.map(({ version }) => version);
}

/** A run without its counter is not restored: parts of it are gone. */
export async function dropCounter(session: Session, runId: string): Promise<void> {
  await sql(session.em, 'delete from run_counter where tenant = ? and run_id = ?', [session.tenant, runId]);
}

/** Rows of a table with millions, in chunks that lock nobody out for long. */
export async function deleteChunk(
  session: Session,
  table: 'metric_point' | 'run_log',
  runId: string,
  limit: number,
): Promise<number> {
  const [deleted] = await sql<{ rows: number }>(
    session.em,
    `with gone as (delete from ${table} where ctid = any(array(select ctid from ${table} where tenant = ? and run_id = ? limit ?)) returning 1)
     select count(*)::int as rows from gone`,
    [session.tenant, runId, limit],
  );
  return deleted?.rows ?? 0;
}

/** An upload in parts that nobody has completed: the object store holds them beside its files. */
export interface OpenUpload {
  objectKey: string;
  storeUploadId: string;
}

/** Those to a run or logged model; their rows go with its row. */
export function openUploads(session: Session, ownerId: string): Promise<OpenUpload[]> {
  return sql(
    session.em,
    'select object_key as "objectKey", store_upload_id as "storeUploadId" from direct_upload where tenant = ' +
      '? and (run_id = ? or logged_model_id = ?)',
    [session.tenant, ownerId, ownerId],
  );
}

/** The row of a run and all that hangs on it; returns the keys of files that no row names any more. */
export async function deleteRunRow(session: Session, runId: string): Promise<string[]> {
  const own = `select id from job where tenant = ? and run_id = ? and kind in ('TRAINING', 'RUN_ARCHIVE')`;
  const keys = await sql<{ key: string }>(
    session.em,
    `select object_key as key from artifact where tenant = ? and (run_id = ? or job_id in (${own}))
     union select object_key from checkpoint where tenant = ? and job_id in (${own})`,
    [...[session.tenant, runId, session.tenant, runId], ...[session.tenant, session.tenant, runId]],
  );
  await sql(session.em, `delete from job where tenant = ? and id in (${own})`, [session.tenant, session.tenant, runId]);
  await sql(session.em, 'update job set run_id = null where tenant = ? and run_id = ?', [session.tenant, runId]);
  // A straggler that was logged while the counter went; nothing can follow it.
  await sql(session.em, 'delete from metric_point where tenant = ? and run_id = ?', [session.tenant, runId]);
  await forgetElsewhere(session, runId);
  await session.em.nativeDelete(Run, { tenant: session.tenant, id: runId });
  return keys.map(({ key }) => key);
}

/** The same of a logged model. */
export async function deleteModelRow(session: Session, id: string): Promise<string[]> {
  const keys = await sql<{ key: string }>(
    session.em,
    'select object_key as key from artifact where tenant = ? and logged_model_id = ?',
    [session.tenant, id],
  );
  await forgetElsewhere(session, id);
  await sql(session.em, 'delete from logged_model where tenant = ? and id = ?', [session.tenant, id]);
  return keys.map(({ key }) => key);
}

/** Why an experiment must stay, or null once it is gone. */
export async function deleteExperimentRow(session: Session, id: string, deletedBefore: string): Promise<string | null> {
  const [experiment] = await sql<{ id: string }>(
    session.em,
    `select id from experiment where tenant = ? and id = ? and ${IN_TIME} for update`,
    [session.tenant, id, deletedBefore],
  );
  if (!experiment) return 'it was restored meanwhile';
  if (await isBeingImported(session, id)) return 'an import is writing it';
  const [left] = await sql<{ runs: number; models: number }>(
    session.em,
    `select (select count(*) from run where tenant = ? and experiment_id = ?)::int as runs,
       (select count(*) from logged_model where tenant = ? and experiment_id = ?)::int as models`,
    [session.tenant, id, session.tenant, id],
  );
  const parts = [
    ...(left?.runs ? [`${left.runs} runs`] : []),
    ...(left?.models ? [`${left.models} logged models`] : []),
  ];
  if (parts.length > 0) return `${parts.join(' and ')} of it stay`;
  await forgetElsewhere(session, id);
  await sql(session.em, 'delete from experiment where tenant = ? and id = ?', [session.tenant, id]);
  return null;
}

/** What it was called in other tracking servers. */
async function forgetElsewhere(session: Session, localId: string): Promise<void> {
  // In the order in which a mirror locks them.
  await sql(session.em, 'delete from mirror_task where tenant = ? and local_id = ?', [session.tenant, localId]);
  await sql(session.em, 'delete from external_ref where tenant = ? and local_id = ?', [session.tenant, localId]);
}
