import { createReadStream } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { Session } from '../../db/database.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { OutsideWork } from '../../training/port.js';
import { type Attempt, StaleAttempt, StoppedAttempt } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import type { CheckpointService } from './checkpoint.service.js';
import { attemptOfWork, workFolder, workId } from './rules/work-folder.js';

export interface OutsideAttemptParts {
  objects: ObjectStore;
  staged: StagedObjects;
  checkpoints: CheckpointService;
}

/** The log of the attempt. */
export interface OutsideAttemptLog {
  note(line: string): void;
  /** Called in the transaction that remembers where the work runs, or that its state there has changed. */
  attached(session: Session): Promise<void>;
}

/** An attempt whose work runs outside the service. */
export class OutsideAttempt implements OutsideWork {
  readonly jobId: string;
  readonly tenant: string;
  readonly id: string;
  readonly runningId: string | null;
  private readonly runId: string;

  constructor(
    private readonly parts: OutsideAttemptParts,
    private readonly attempt: Attempt,
    private readonly backend: string,
    private readonly log: OutsideAttemptLog,
  ) {
    const { job, number } = attempt;
    this.jobId = job.id;
    this.tenant = job.tenant;
    this.runId = job.runId!;
    this.id = workId(job.id, number);
    this.runningId = job.externalBackend === backend ? (job.externalId ?? null) : null;
  }

  attach(id: string, state: string): Promise<void> {
    const { attempt, backend } = this;
    return attempt.write(async (session) => {
      await attempt.attach(session, { backend, id, state });
      await this.log.attached(session);
    });
  }

  note(line: string): void {
    this.log.note(line);
  }

  token(): Promise<string> {
    return this.attempt.outsideToken();
  }

  async restore(path: string): Promise<boolean> {
    return (await this.parts.checkpoints.restore(this.attempt, path)) !== null;
  }

  async give(name: string, path: string): Promise<void> {
    const key = this.keyOf(this.id, name);
    await this.attempt.write((session) => this.parts.staged.stage(session, key));
    await this.parts.objects.put(key, createReadStream(path));
  }

  async take(id: string, name: string, path: string): Promise<boolean> {
    try {
      using file = await this.parts.objects.localFile(this.keyOf(id, name));
      await copyFile(file.path, path);
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === ErrorCode.NOT_FOUND) return false;
      throw error;
    }
  }

  async mustEnd(): Promise<boolean> {
    const { signal, job } = this.attempt;
    const reason: unknown = signal.reason;
    if (reason instanceof StaleAttempt) {
      const { status } = await this.attempt.read(({ em, tenant }) => em.findOneOrFail(Job, { id: job.id, tenant }));
      return status !== 'RUNNING' && status !== 'QUEUED';
    }
    // The next attempt continues from the last checkpoint.
    if (reason instanceof StoppedAttempt) return true;
    // A process that stops leaves the work to the next attempt.
    return reason instanceof DOMException && reason.name === 'TimeoutError';
  }

  /** Removes the files that have passed between the service and the work. */
  async tidy(): Promise<void> {
    const folder = workFolder({ tenant: this.tenant, runId: this.runId, attempt: 0 }).replace(/0$/, '');
    const keys = await this.attempt.read((session) => this.parts.staged.keysUnder(session, folder));
    await this.parts.staged.discardAll(keys);
  }

  private keyOf(id: string, name: string): string {
    const { tenant, runId } = this;
    return `${workFolder({ tenant, runId, attempt: attemptOfWork(id) })}/${name}`;
  }
}
