import { sql } from 'kysely';
import { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { RunCounter } from '../../db/entities/experiments/run-counter.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import type { Session } from '../../db/database.js';
import { runPrepared } from '../../db/statement.js';
import { anyOf, tablesOf } from '../../db/tables.js';
import type { ExperimentAddress } from '../experiments/index.js';

const tables = tablesOf(Artifact, Run, RunCounter, LoggedModel, Experiment, Job);

/** The run or the logged model that owns the files. */
export type FolderOwner = { runId: string } | { loggedModelId: string };

const columnOf = (owner: FolderOwner): ['run_id' | 'logged_model_id', string] =>
  'runId' in owner ? ['run_id', owner.runId] : ['logged_model_id', owner.loggedModelId];

export interface PresentFile {
  id: string;
  path: string;
  objectKey: string;
  sha256: string;
}

const BY_CODE_POINT = sql<string>`path collate "C"`;

/** All files of an owner, or those in one of its folders, ordered by path. */
export function storedFiles({ em, tenant }: Session, owner: FolderOwner, folder = '') {
  const [column, id] = columnOf(owner);
  return tables(em)
    .selectFrom('artifact')
    .select(['path', 'size_bytes as sizeBytes', 'sha256', 'object_key as objectKey', 'created_at as createdAt'])
    .where('tenant', '=', tenant)
    .where(column, '=', id)
    .$if(folder !== '', (query) => query.where(sql<boolean>`starts_with(${BY_CODE_POINT}, ${`${folder}/`})`))
    .orderBy('path')
    .execute();
}

export async function isStored({ em, tenant }: Session, owner: FolderOwner, path: string): Promise<boolean> {
  const [column, id] = columnOf(owner);
  const found = await tables(em)
    .selectFrom('artifact')
    .select('id')
    .where('tenant', '=', tenant)
    .where(column, '=', id)
    .where('path', '=', path)
    .execute();
  return found.length > 0;
}

/** The direct content of a folder, whose path ends with a slash; '' means all. */
export function folderEntries(
  { em, tenant }: Session,
  owner: FolderOwner,
  prefix: string,
): Promise<{ name: string; isFolder: boolean; sizeBytes: number }[]> {
  const [column, id] = columnOf(owner);
  return tables(em)
    .selectFrom((from) =>
      from
        .selectFrom('artifact')
        .select([sql<string>`substr(path, length(${prefix}) + 1)`.as('rest'), 'size_bytes'])
        .where('tenant', '=', tenant)
        .where(column, '=', id)
        .where(sql<boolean>`starts_with(${BY_CODE_POINT}, ${prefix})`)
        .as('below'),
    )
    .select((select) => [
      sql<string>`split_part(rest, '/', 1)`.as('name'),
      sql<boolean>`bool_or(position('/' in rest) > 0)`.as('isFolder'),
      select.fn.max('size_bytes').as('sizeBytes'),
    ])
    .groupBy(sql`1`)
    .execute();
}

/** The file at the path, or the files in the folder there; '' means all. Ordered by path, after a given path. */
export function filesAt(
  { em, tenant }: Session,
  owner: FolderOwner,
  path: string,
  after: string,
  limit: number,
): Promise<PresentFile[]> {
  const [column, id] = columnOf(owner);
  return tables(em)
    .selectFrom('artifact')
    .select(['id', 'path', 'object_key as objectKey', 'sha256'])
    .where('tenant', '=', tenant)
    .where(column, '=', id)
    .$if(path !== '', (query) =>
      query.where((where) =>
        where.or([
          where('path', '=', path),
          where(sql<boolean>`starts_with(${BY_CODE_POINT}, ${`${path}/`})`, '=', true),
        ]),
      ),
    )
    .where('path', '>', after)
    .orderBy('path')
    .limit(limit)
    .execute();
}

/** The files of each owner, as lists show them. */
export const filesOf =
  (column: 'run_id' | 'logged_model_id' | 'model_version_id') =>
  ({ em, tenant }: Session, ownerIds: readonly string[]) =>
    tables(em)
      .selectFrom('artifact')
      .select(['id', 'path', 'size_bytes as sizeBytes', 'sha256', 'content_type as contentType'])
      .select('created_at as createdAt')
      .select((select) => select.ref(column).$castTo<string>().as('ownerId'))
      .where('tenant', '=', tenant)
      .where(column, '=', anyOf('uuid', ownerIds))
      .orderBy('path')
      .execute();

/**
 * What blocks a file at a path: a file at the path, a file at a folder above it, or a file below it. `places` are the
 * path and the folders above it.
 */
export async function blockingFile(
  { em, tenant }: Session,
  owner: FolderOwner,
  path: string,
  places: readonly string[],
): Promise<PresentFile | null> {
  const [column, id] = columnOf(owner);
  const files = () =>
    tables(em)
      .selectFrom('artifact')
      .select(['id', 'path', 'object_key as objectKey', 'sha256'])
      .where('tenant', '=', tenant)
      .where(column, '=', id);
  const below = files().where(BY_CODE_POINT, '>=', `${path}/`).where(BY_CODE_POINT, '<', `${path}0`).limit(1);
  const query = files()
    .where(BY_CODE_POINT, '=', anyOf('text', places))
    .unionAll((from) => from.selectFrom(below.as('below')).selectAll())
    .limit(1);
  const [blocking] = await runPrepared(em, `file_in_the_way_by_${column}`, query);
  return blocking ?? null;
}

/** The experiment of the owner of files; null when the owner does not exist. Locks the owner's row on request. */
export async function experimentOf(
  { em, tenant }: Session,
  owner: FolderOwner,
  lock: 'update' | null,
): Promise<ExperimentAddress | null> {
  const [table, id] =
    'runId' in owner ? (['run', owner.runId] as const) : (['logged_model', owner.loggedModelId] as const);
  const owners = sql<Pick<Run, 'id' | 'tenant'> & { experiment_id: string }>`${sql.table(table)}`.as<'o'>(sql`o`);
  const query = tables(em)
    .selectFrom(owners)
    .innerJoin('experiment as e', (on) => on.onRef('e.tenant', '=', 'o.tenant').onRef('e.id', '=', 'o.experiment_id'))
    .select(['e.id', 'e.is_default as isDefault', 'e.artifact_location as artifactLocation'])
    .where('o.tenant', '=', tenant)
    .where('o.id', '=', id);
  const locked = lock === 'update' ? query.forUpdate('o') : query;
  const [experiment] = await runPrepared(em, `experiment_of_${table}${lock === null ? '' : `_for_${lock}`}`, locked);
  return experiment ?? null;
}

/** Whether a run has log lines or points that no job stores as files. Trainings and archive jobs store them. */
export async function needsArchive({ em, tenant }: Session, runId: string): Promise<boolean> {
  const needed = await tables(em)
    .selectFrom('run as r')
    .innerJoin('run_counter as c', 'c.run_id', 'r.id')
    .select('r.id')
    .where('r.tenant', '=', tenant)
    .where('r.id', '=', runId)
    .where((where) => where.or([where('r.last_log_seq', '>', 0), where('c.last_seq', '>', 0)]))
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('job as j')
            .select('j.id')
            .whereRef('j.tenant', '=', 'r.tenant')
            .whereRef('j.run_id', '=', 'r.id')
            .where((job) =>
              job.or([
                job('j.kind', '=', 'TRAINING'),
                job.and([job('j.kind', '=', 'RUN_ARCHIVE'), job('j.status', '=', 'QUEUED')]),
              ]),
            ),
        ),
      ),
    )
    .execute();
  return needed.length > 0;
}
