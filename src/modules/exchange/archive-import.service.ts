import { LockMode } from '@mikro-orm/core';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import type { Database, Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { checkName, cutText } from '../core/index.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import type { Attempt, AttemptOf, JobService } from '../jobs/index.js';
import type { StagedObjects, UploadService } from '../uploads/index.js';
import {
  audit,
  takeTurns,
  archiveServer,
  bind,
  findByExternal,
  setSynced,
  type SyncedArchive,
} from '../platform/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import type { ExperimentService } from '../experiments/index.js';
import { ArchivePlacement } from './archive-placement.js';
import { ArchiveCheck, readArchive } from './archive-reader.js';
import { EXPERIMENT_IMPORT } from './experiment-import.job-kind.js';

interface Dependencies {
  db: Database;
  objects: ObjectStore;
  staged: StagedObjects;
  jobs: JobService;
  artifacts: ArtifactService;
  experiments: ExperimentService;
  uploads: UploadService;
}

interface Begun extends SyncedArchive {
  experimentId: string;
}

const IDS_PER_LOOK = 10_000;

/**
 * Imports an archived experiment, into the same or another tenant or service. Either all of it becomes visible or
 * nothing.
 */
export class ArchiveImportService {
  constructor(private readonly deps: Dependencies) {}

  async start(session: Session, input: { uploadId: string; name?: string | null }): Promise<Job> {
    // Protects the upload from the sweeper until the job exists; the sweeper keeps the uploads of jobs.
    const upload = await this.deps.uploads.get(session, input.uploadId, LockMode.PESSIMISTIC_READ);
    const name = input.name == null ? null : checkName('input.name', input.name);
    const job = this.deps.jobs.create(session, EXPERIMENT_IMPORT, {
      input: { uploadId: upload.id, objectKey: upload.objectKey, sha256: upload.sha256, name },
    });
    audit(session, 'importExperiment', { type: 'job', id: job.id }, null, {
      uploadId: upload.id,
      name,
      sha256: upload.sha256,
    });
    return job;
  }

  async execute(attempt: AttemptOf<typeof EXPERIMENT_IMPORT>): Promise<void> {
    const { objects, staged, artifacts } = this.deps;
    const config = attempt.input;
    const check = new ArchiveCheck();
    attempt.progress(0, 'Checking the archive');
    const counts = await readArchive(await objects.get(config.objectKey), check, attempt.signal);
    check.finish();
    const server = archiveServer(config.sha256);
    const externalId = `${check.ids.experiment} ${config.name ?? ''}`;
    const begun = await this.begin(attempt, check, { server, externalId, name: config.name, sha256: config.sha256 });
    const { experimentId, keepIds } = begun;
    if (begun.done) return attempt.succeed({ experimentId, keptIds: keepIds, unchanged: true });
    attempt.progress(0.3, `${counts.runs} runs are being written`);
    const placement = new ArchivePlacement(
      { attempt, jobs: this.deps.jobs, objects, staged, artifacts },
      ...([experimentId, keepIds, new Date(begun.hiddenAt), check.ids.runs] as const),
    );
    await readArchive(await objects.get(config.objectKey), placement, attempt.signal);
    const runIds = [...check.ids.runs].map((id) => placement.idOf(id));
    for (const id of runIds) await attempt.write((session) => latestOf(session, id));
    await attempt.succeed({ experimentId, keptIds: keepIds, unchanged: false, ...counts }, async (session) => {
      await reveal(session, experimentId, placement);
      const synced: SyncedArchive = { keepIds, hiddenAt: begun.hiddenAt, jobId: attempt.job.id, done: true };
      await setSynced(session, server, 'EXPERIMENT', externalId, synced);
      audit(session, 'importExperiment', { type: 'experiment', id: experimentId }, null, {
        runs: counts.runs,
        files: counts.files,
        keptIds: keepIds,
      });
      for (const id of runIds) session.touch('run', id);
    });
  }

  /**
   * Creates the experiment once, however many attempts there are. It is marked as deleted until it is complete, so that
   * garbage collection removes what a failed import leaves.
   */
  private async begin(
    attempt: Attempt,
    check: ArchiveCheck,
    of: { server: string; externalId: string; name: string | null; sha256: string },
  ): Promise<Begun> {
    const { server, externalId } = of;
    const keepIds = (await this.isOwnExport(attempt, of.sha256)) && (await this.allFree(check));
    return attempt.write(async (session) => {
      await takeTurns(session, server);
      const known = await findByExternal<SyncedArchive>(session, server, 'EXPERIMENT', externalId);
      if (known) {
        const synced = known.synced as SyncedArchive;
        if (!synced.done)
          await this.takeOver(session, { server, externalId, experimentId: known.localId, synced }, attempt.job.id);
        return { ...synced, experimentId: known.localId };
      }
      const name = of.name ?? (await this.freeName(session, check.name));
      const experiment = await this.deps.experiments.create(session, {
        ...(keepIds && { id: check.ids.experiment }),
        name,
      });
      const hiddenAt = new Date();
      const { description, tags, createdAt } = check.experiment;
      Object.assign(experiment, {
        state: 'DELETED',
        deletedAt: hiddenAt,
        description,
        tags,
        createdAt: new Date(createdAt),
      });
      await session.em.flush();
      await bind(session, server, 'EXPERIMENT', externalId, experiment.id);
      const synced: SyncedArchive = { keepIds, hiddenAt: hiddenAt.toISOString(), jobId: attempt.job.id, done: false };
      await setSynced(session, server, 'EXPERIMENT', externalId, synced);
      return { ...synced, experimentId: experiment.id };
    });
  }

  /** Continues what another job has left. CONFLICT while that job is still running. */
  private async takeOver(
    session: Session,
    of: { server: string; externalId: string; experimentId: string; synced: SyncedArchive },
    jobId: string,
  ): Promise<void> {
    const { server, externalId, experimentId, synced } = of;
    if (synced.jobId === jobId) return;
    // Waits until a running garbage collection has finished its step. After that it does not touch the experiment.
    const [there] = await sql(session.em, 'select 1 from experiment where tenant = ? and id = ? for update', [
      session.tenant,
      experimentId,
    ]);
    if (!there)
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        'Garbage collection removed the rest of an earlier import while this one ran. The next attempt ' +
          'starts from the beginning.',
      );
    const atWork = { tenant: session.tenant, id: synced.jobId, status: { $in: ['QUEUED', 'RUNNING'] } } as const;
    if (synced.jobId !== undefined && (await session.em.count(Job, atWork)) > 0) {
      throw conflict(`Job ${synced.jobId} is importing this archive: wait for it, or cancel it first.`, {
        expected: 'an archive without an import under way',
        got: synced.jobId,
      });
    }
    await setSynced(session, server, 'EXPERIMENT', externalId, { ...synced, jobId } satisfies SyncedArchive);
  }

  /**
   * Whether this tenant exported exactly this archive, so that its ids are the tenant's own. For any other archive the
   * ids are not looked up: somebody could otherwise find out which ids another tenant has.
   */
  private isOwnExport(attempt: Attempt, sha256: string): Promise<boolean> {
    return attempt.read(async (session) => {
      const exports = { tenant: session.tenant, kind: 'EXPERIMENT_EXPORT', status: 'SUCCEEDED' } as const;
      return (await session.em.count(Job, { ...exports, result: { sha256 } })) > 0;
    });
  }

  /** True when none of the ids is in use. */
  private async allFree({ ids }: ArchiveCheck): Promise<boolean> {
    const groups = [
      ['experiment', [ids.experiment]],
      ['run', [...ids.runs]],
      ['logged_model', [...ids.models]],
    ] as const;
    for (const [table, all] of groups) {
      for (let from = 0; from < all.length; from += IDS_PER_LOOK) {
        const some = all.slice(from, from + IDS_PER_LOOK);
        const taken = await this.deps.db.asSystem((em) =>
          sql(em, `select 1 from ${table} where id = any(?::uuid[]) limit 1`, [some]),
        );
        if (taken.length > 0) return false;
      }
    }
    return true;
  }

  private async freeName(session: Session, name: string): Promise<string> {
    if ((await this.deps.experiments.findByName(session, name)) === null) return name;
    return `${cutText(name, 200)} (imported ${new Date().toISOString().slice(0, 19)})`;
  }
}

/** Writes the latest point of each metric, which lists and filters read. */
async function latestOf(session: Session, runId: string): Promise<void> {
  await sql(
    session.em,
    `insert into metric_latest (tenant, run_id, key, step, logged_at, value)
     select distinct on (key) tenant, run_id, key, step, logged_at, value from metric_point where tenant = ?
       and run_id = ?
     order by key, step desc, logged_at desc, value desc
     on conflict (run_id, key) do update set step = excluded.step, logged_at = excluded.logged_at,
       value = excluded.value`,
    [session.tenant, runId],
  );
}

/** Restores the states of the archive, in the transaction that ends the job. */
async function reveal(
  session: Session,
  experimentId: string,
  { deletedRuns, deletedModels, parents }: ArchivePlacement,
): Promise<void> {
  const { tenant } = session;
  const experiment = await session.em.findOneOrFail(Experiment, { id: experimentId, tenant });
  Object.assign(experiment, { state: 'ACTIVE', deletedAt: null });
  for (const [table, deleted] of [
    ['run', deletedRuns],
    ['logged_model', deletedModels],
  ] as const) {
    await sql(
      session.em,
      `update ${table} set state = 'ACTIVE', deleted_at = null where tenant = ? and experiment_id = ? and ` +
        'not id = any(?::uuid[])',
      [tenant, experimentId, deleted],
    );
  }
  await sql(
    session.em,
    'update run set parent_run_id = p.parent from unnest(?::uuid[], ?::uuid[]) as p(id, parent) where ' +
      'run.tenant = ? and run.id = p.id',
    [parents.map(({ id }) => id), parents.map(({ parent }) => parent), tenant],
  );
}
