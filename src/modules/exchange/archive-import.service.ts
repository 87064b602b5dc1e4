import { LockMode } from '@mikro-orm/core';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Database, Session } from '../../db/database.js';
import { checkName, cutText } from '../core/index.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import { type Attempt, type AttemptOf, hasSucceededWith, type JobService } from '../jobs/index.js';
import type { StagedObjects, UploadService } from '../uploads/index.js';
import { audit, takeTenantLock } from '../platform/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import { type ExperimentService, findLatestPoints, revealRuns, setParents } from '../experiments/index.js';
import { revealModels } from '../logged-models/index.js';
import { ArchivePlacement } from './archive-placement.js';
import { ArchiveCheck, readArchive } from './archive-reader.js';
import { EXPERIMENT_EXPORT } from './experiment-export.job-kind.js';
import { EXPERIMENT_IMPORT } from './experiment-import.job-kind.js';
import { bind, type ExternalName, findByExternal, isAnyTaken } from './stores/external-refs.js';

interface Dependencies {
  db: Database;
  objects: ObjectStore;
  staged: StagedObjects;
  jobs: JobService;
  artifacts: ArtifactService;
  experiments: ExperimentService;
  uploads: UploadService;
}

interface Begun {
  experimentId: string;
  /** True when all objects keep their ids. */
  keepIds: boolean;
  /** When the experiment was marked as deleted; null when it is complete. */
  hiddenAt: Date | null;
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
    const { objects, staged, artifacts, experiments } = this.deps;
    const config = attempt.input;
    const check = new ArchiveCheck();
    attempt.progress(0, 'Checking the archive');
    const counts = await readArchive(await objects.get(config.objectKey), check, attempt.signal);
    check.finish();
    const archive: ExternalName = {
      server: `archive:${config.sha256}`,
      kind: 'EXPERIMENT',
      externalId: `${check.ids.experiment} ${config.name ?? ''}`,
    };
    const { experimentId, keepIds, hiddenAt } = await this.begin(attempt, check, archive);
    if (hiddenAt === null) return attempt.succeed({ experimentId, keptIds: keepIds, unchanged: true });
    attempt.progress(0.3, `${counts.runs} runs are being written`);
    const placement = new ArchivePlacement(
      { attempt, jobs: this.deps.jobs, objects, staged, artifacts },
      ...([experimentId, keepIds, hiddenAt, check.ids.runs] as const),
    );
    await readArchive(await objects.get(config.objectKey), placement, attempt.signal);
    const runIds = [...check.ids.runs].map((id) => placement.idOf(id));
    for (const id of runIds) await attempt.write((session) => findLatestPoints(session, id));
    await attempt.succeed({ experimentId, keptIds: keepIds, unchanged: false, ...counts }, async (session) => {
      await experiments.endImport(session, experimentId);
      await revealRuns(session, experimentId, placement.deletedRuns);
      await revealModels(session, experimentId, placement.deletedModels);
      await setParents(session, placement.parents);
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
    attempt: AttemptOf<typeof EXPERIMENT_IMPORT>,
    check: ArchiveCheck,
    archive: ExternalName,
  ): Promise<Begun> {
    const { experiments } = this.deps;
    const { name: wanted, sha256 } = attempt.input;
    const isFree = (await this.isOwnExport(attempt, sha256)) && (await this.allFree(check));
    return attempt.write(async (session) => {
      await takeTenantLock(session, archive.server);
      const known = await findByExternal(session, archive);
      let experiment: Experiment;
      if (known) experiment = await this.takeOver(session, known.localId, attempt.job.id);
      else {
        const { description, tags, createdAt } = check.experiment;
        experiment = await experiments.beginImport(session, attempt.job.id, {
          ...(isFree && { id: check.ids.experiment }),
          ...{ name: wanted ?? (await this.freeName(session, check.name)), description, tags },
          createdAt: new Date(createdAt),
        });
        await bind(session, archive, experiment.id);
      }
      const { id, importJobId, deletedAt } = experiment;
      return {
        experimentId: id,
        keepIds: id === check.ids.experiment,
        hiddenAt: importJobId == null ? null : (deletedAt ?? null),
      };
    });
  }

  /** Continues what another job has left. CONFLICT while that job is still running. */
  private async takeOver(session: Session, experimentId: string, jobId: string): Promise<Experiment> {
    // Waits until a running garbage collection has finished its step. After that it does not touch the experiment.
    const experiment = await this.deps.experiments.find(session, experimentId, LockMode.PESSIMISTIC_WRITE);
    if (!experiment)
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        'Garbage collection removed the rest of an earlier import while this one ran. The next attempt ' +
          'starts from the beginning.',
      );
    const { importJobId: other } = experiment;
    if (other == null || other === jobId) return experiment;
    if (!(await this.deps.jobs.hasEnded(session, other))) {
      throw conflict(`Job ${other} is importing this archive: wait for it, or cancel it first.`, {
        expected: 'an archive without an import under way',
        got: other,
      });
    }
    await this.deps.experiments.takeOverImport(session, experiment, jobId);
    return experiment;
  }

  /**
   * Whether this tenant exported exactly this archive, so that its ids are the tenant's own. For any other archive the
   * ids are not looked up: somebody could otherwise find out which ids another tenant has.
   */
  private isOwnExport(attempt: Attempt, sha256: string): Promise<boolean> {
    return attempt.read((session) => hasSucceededWith(session, EXPERIMENT_EXPORT, { sha256 }));
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
        if (await this.deps.db.asSystem((em) => isAnyTaken(em, table, some))) return false;
      }
    }
    return true;
  }

  private async freeName(session: Session, name: string): Promise<string> {
    if ((await this.deps.experiments.findByName(session, name)) === null) return name;
    return `${cutText(name, 200)} (imported ${new Date().toISOString().slice(0, 19)})`;
  }
}
