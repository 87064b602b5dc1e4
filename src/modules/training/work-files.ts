import { createReadStream } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { Session } from '../../db/database.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { OutsideFiles } from '../../training/port.js';
import { type Attempt, StaleAttempt, StoppedAttempt } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import { attemptOfWork, workFolder, workId, type WorkOwner, workRoot } from './rules/work-folder.js';

export interface WorkFilesParts {
  objects: ObjectStore;
  staged: StagedObjects;
}

/** Who hears what an attempt does outside. */
export interface WorkLog {
  note(line: string): void;
  /** Called in the transaction that remembers where the work runs, or that its state there has changed. */
  attached?(session: Session): Promise<void>;
}

/** An attempt whose work runs outside the service, with the files that pass between the two. */
export class WorkFiles implements OutsideFiles {
  readonly jobId: string;
  readonly tenant: string;
  readonly id: string;
  readonly runningId: string | null;
  private readonly owner: WorkOwner;

  constructor(
    private readonly files: WorkFilesParts,
    protected readonly attempt: Attempt,
    private readonly backend: string,
    private readonly log: WorkLog,
  ) {
    const { job, number } = attempt;
    this.jobId = job.id;
    this.tenant = job.tenant;
    this.owner = { tenant: job.tenant, jobId: job.id, runId: job.runId };
    this.id = workId(job.id, number);
    this.runningId = job.externalBackend === backend ? (job.externalId ?? null) : null;
  }

  attach(id: string, state: string): Promise<void> {
    const { attempt, backend } = this;
    return attempt.write(async (session) => {
      await attempt.attach(session, { backend, id, state });
      await this.log.attached?.(session);
    });
  }

  note(line: string): void {
    this.log.note(line);
  }

  token(): Promise<string> {
    return this.attempt.outsideToken();
  }

  async give(name: string, path: string): Promise<void> {
    const key = this.keyOf(this.id, name);
    await this.attempt.write((session) => this.files.staged.stage(session, key));
    await this.files.objects.put(key, createReadStream(path));
  }

  async take(id: string, name: string, path: string): Promise<boolean> {
    try {
      using file = await this.files.objects.localFile(this.keyOf(id, name));
      await copyFile(file.path, path);
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === ErrorCode.NOT_FOUND) return false;
      throw error;
    }
  }

  async lastCall(): Promise<number | null> {
    const { job } = this.attempt;
    const { heardAt } = await this.attempt.read(({ em, tenant }) => em.findOneOrFail(Job, { id: job.id, tenant }));
    return heardAt?.getTime() ?? null;
  }

  async mustEnd(): Promise<boolean> {
    const { signal, job } = this.attempt;
    const reason: unknown = signal.reason;
    if (reason instanceof StaleAttempt) {
      const { status } = await this.attempt.read(({ em, tenant }) => em.findOneOrFail(Job, { id: job.id, tenant }));
      return status !== 'RUNNING' && status !== 'QUEUED';
    }
    // The next attempt continues from what is stored.
    if (reason instanceof StoppedAttempt) return true;
    // A process that stops leaves the work to the next attempt.
    return reason instanceof DOMException && reason.name === 'TimeoutError';
  }

  /** Removes these files of the work. */
  async discard(id: string, names: readonly string[]): Promise<void> {
    await this.files.staged.discardAll(names.map((name) => this.keyOf(id, name)));
  }

  /** Removes all files that have passed between the service and the work of the job. */
  async tidy(): Promise<void> {
    const keys = await this.attempt.read((session) => this.files.staged.keysUnder(session, `${workRoot(this.owner)}/`));
    await this.files.staged.discardAll(keys);
  }

  private keyOf(id: string, name: string): string {
    return `${workFolder(this.owner, attemptOfWork(id))}/${name}`;
  }
}
