import type { ObjectStore } from '../../adapters/object-store/port.js';
import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { beginCollection, deleteSome } from '../experiments/index.js';
import type { AttemptOf, JobService } from '../jobs/index.js';
import { requireOwn, audit } from '../platform/index.js';
import type { StagedObjects } from '../uploads/index.js';
import { checkStorage } from './storage-check.js';
import { GARBAGE_COLLECTION, type Kept, type Tally } from './garbage-collection.job-kind.js';
import {
  type Candidate,
  countDeleted,
  deletedExperiments,
  deletedModels,
  deletedRuns,
  deleteExperimentRow,
  deleteModelRow,
  deleteRunRow,
  type GarbageScope,
  lockDeletedModel,
  lockDeletedRun,
  type OpenUpload,
  openUploads,
  takesExperiments,
  versionsFromModel,
  versionsFromRun,
} from './store.js';

export interface GarbageInput {
  olderThanDays: number;
  experimentIds?: string[] | null;
  runIds?: string[] | null;
  checkStorage?: boolean | null;
}

type CollectionAttempt = AttemptOf<typeof GARBAGE_COLLECTION>;

/** What the object store still holds after the rows were removed. */
interface Removed {
  keys: string[];
  uploads: OpenUpload[];
  counted: 'runs' | 'loggedModels' | 'experiments';
}

interface Dependencies {
  objects: ObjectStore;
  staged: StagedObjects;
  jobs: JobService;
}

const DAY_MS = 24 * 60 * 60 * 1000;
export const MAX_DAYS = 36_500;
export const MAX_IDS = 1_000;
const BATCH = 100;
const CHUNK_ROWS = 20_000;
const MAX_KEPT_SHOWN = 100;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const NOTHING: Tally = { runs: 0, loggedModels: 0, experiments: 0, metricPoints: 0, logLines: 0, files: 0 };

/**
 * Removes permanently what was deleted long ago: rows, points, logs and files. Runs and models that are the source of a
 * registered version are kept.
 */
export class GarbageService {
  constructor(private readonly deps: Dependencies) {}

  async start(session: Session, input: GarbageInput): Promise<Job> {
    const days = input.olderThanDays;
    await requireOwn(session, Experiment, 'experiment', input.experimentIds ?? []);
    await requireOwn(session, Run, 'run', input.runIds ?? []);
    const config = {
      deletedBefore: new Date(Date.now() - days * DAY_MS).toISOString(),
      experimentIds: input.experimentIds ?? null,
      runIds: input.runIds ?? null,
      checkStorage: input.checkStorage ?? false,
    };
    const job = this.deps.jobs.create(session, GARBAGE_COLLECTION, { input: config });
    audit(session, 'collectGarbage', { type: 'job', id: job.id }, null, config);
    return job;
  }

  resume(session: Session, jobId: string): Promise<Job> {
    return this.deps.jobs.resume(session, 'resumeGarbageCollection', jobId, GARBAGE_COLLECTION);
  }

  async execute(attempt: CollectionAttempt): Promise<void> {
    const { checkStorage: check, ...scope } = attempt.input;
    await new Collection(this.deps, attempt, scope).execute(check);
  }
}

/** One attempt of a collection. It finds again what an earlier attempt did not reach. */
class Collection {
  private readonly tally: Tally;
  private readonly kept: Kept[] = [];
  private keptCount = 0;
  private total = 0;

  constructor(
    private readonly deps: Dependencies,
    private readonly attempt: CollectionAttempt,
    private readonly scope: GarbageScope,
  ) {
    this.tally = { ...NOTHING, ...attempt.soFar };
  }

  async execute(check: boolean): Promise<void> {
    const { attempt, scope } = this;
    this.total = await attempt.read((session) => countDeleted(session, scope));
    await this.each(deletedRuns, (candidate) => this.collectRun(candidate));
    if (takesExperiments(scope)) {
      await this.each(deletedModels, (candidate) => this.collectModel(candidate));
      await this.each(deletedExperiments, (candidate) => this.collectExperiment(candidate));
    }
    const storage = check ? await checkStorage(attempt, this.deps.objects) : null;
    await attempt.succeed({ ...this.tally, kept: this.kept, keptCount: this.keptCount, storage });
  }

  private async each(
    next: (session: Session, scope: GarbageScope, afterId: string, limit: number) => Promise<Candidate[]>,
    collect: (candidate: Candidate) => Promise<void>,
  ): Promise<void> {
    for (let afterId = FIRST_ID; ;) {
      const candidates = await this.attempt.read((session) => next(session, this.scope, afterId, BATCH));
      for (const candidate of candidates) {
        this.attempt.signal.throwIfAborted();
        await collect(candidate);
        afterId = candidate.id;
        const done = this.tally.runs + this.tally.experiments + this.keptCount;
        this.attempt.progress(
          done / Math.max(done, this.total),
          `${this.tally.runs} runs and ${this.tally.experiments} experiments are gone`,
        );
      }
      if (candidates.length < BATCH) return;
    }
  }

  private async collectRun(candidate: Candidate): Promise<void> {
    const { id } = candidate;
    const begun = await this.attempt.write(async (session) => {
      if (!(await lockDeletedRun(session, id, this.scope.deletedBefore))) return null;
      const versions = await versionsFromRun(session, id);
      if (versions.length > 0) return this.keep({ ...candidate, type: 'run', reason: cameFrom(versions) });
      await beginCollection(session, id);
      return true;
    });
    if (!begun) return;
    if (!(await this.clear('metric_point', id, 'metricPoints')) || !(await this.clear('run_log', id, 'logLines')))
      return;
    await this.remove(async (session) => {
      if (!(await lockDeletedRun(session, id, this.scope.deletedBefore))) return null;
      // Somebody may have registered a version while the points were removed.
      const versions = await versionsFromRun(session, id);
      if (versions.length > 0) return this.keep({ ...candidate, type: 'run', reason: cameFrom(versions) });
      const uploads = await openUploads(session, id);
      const keys = await deleteRunRow(session, id, this.deps.jobs.kindsOfRun());
      audit(session, 'collectRun', { type: 'run', id }, { name: candidate.name, files: keys.length }, null);
      return { keys, uploads, counted: 'runs' };
    });
  }

  private async collectModel(candidate: Candidate): Promise<void> {
    await this.remove(async (session) => {
      if (!(await lockDeletedModel(session, candidate.id, this.scope.deletedBefore))) return null;
      const versions = await versionsFromModel(session, candidate.id);
      if (versions.length > 0) return this.keep({ ...candidate, type: 'loggedModel', reason: cameFrom(versions) });
      const uploads = await openUploads(session, candidate.id);
      const keys = await deleteModelRow(session, candidate.id);
      audit(
        session,
        'collectLoggedModel',
        { type: 'loggedModel', id: candidate.id },
        { name: candidate.name, files: keys.length },
        null,
      );
      return { keys, uploads, counted: 'loggedModels' };
    });
  }

  private async collectExperiment(candidate: Candidate): Promise<void> {
    await this.remove(async (session) => {
      const reason = await deleteExperimentRow(session, candidate.id, this.scope.deletedBefore);
      if (reason !== null) return this.keep({ ...candidate, type: 'experiment', reason });
      audit(session, 'collectExperiment', { type: 'experiment', id: candidate.id }, { name: candidate.name }, null);
      return { keys: [], uploads: [], counted: 'experiments' };
    });
  }

  /** False when the run was restored. */
  private async clear(
    table: 'metric_point' | 'run_log',
    runId: string,
    counted: 'metricPoints' | 'logLines',
  ): Promise<boolean> {
    for (;;) {
      this.attempt.signal.throwIfAborted();
      const rows = await this.attempt.write(async (session) => {
        if (!(await lockDeletedRun(session, runId, this.scope.deletedBefore))) return null;
        const deleted = await deleteSome(session, table, runId, CHUNK_ROWS);
        if (deleted > 0) await this.count(session, counted, deleted);
        return deleted;
      });
      if (rows === null) return false;
      this.tally[counted] += rows;
      if (rows < CHUNK_ROWS) return true;
    }
  }

  /**
   * The transaction that removes rows also records their files for removal. After a crash the sweeper removes the
   * files.
   */
  private async remove(work: (session: Session) => Promise<Removed | null>): Promise<void> {
    const removed = await this.attempt.write(async (session) => {
      const done = await work(session);
      if (!done) return null;
      await this.deps.staged.stageAll(session, done.keys);
      await this.count(session, done.counted, 1, done.keys.length);
      return done;
    });
    if (!removed) return;
    this.tally[removed.counted] += 1;
    this.tally.files += removed.keys.length;
    for (const { objectKey, storeUploadId } of removed.uploads) {
      await this.deps.objects.abortParts(objectKey, storeUploadId);
      await this.deps.staged.discard(objectKey);
    }
    await this.deps.staged.discardAll(removed.keys);
  }

  /** Call in the transaction of the removal, so that the counts are right even when this process crashes. */
  private async count(session: Session, counted: keyof Tally, more: number, files = 0): Promise<void> {
    const tally: Tally = { ...this.tally, [counted]: this.tally[counted] + more, files: this.tally.files + files };
    await this.attempt.keep(session, tally);
  }

  private keep(kept: Kept): null {
    this.keptCount += 1;
    if (this.kept.length < MAX_KEPT_SHOWN) this.kept.push(kept);
    return null;
  }
}

function cameFrom(versions: string[]): string {
  return `model versions came from it: ${versions.join(', ')}`;
}
