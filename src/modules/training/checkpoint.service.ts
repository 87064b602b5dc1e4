import { createReadStream } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { Session } from '../../db/database.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import { Checkpoint } from '../../db/entities/training/checkpoint.entity.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { CheckpointReport } from '../../training/port.js';
import { sha256Of, type StagedObjects } from '../uploads/index.js';
import type { Attempt, JobService } from '../jobs/index.js';

/** The newest one, and two others in case it is damaged. */
const KEPT_CHECKPOINTS = 3;

/** Checkpoints of trainings: files in the object store. A row for each has its size and hash. */
export class CheckpointService {
  constructor(
    private readonly objects: ObjectStore,
    private readonly staged: StagedObjects,
    private readonly jobs: JobService,
  ) {}

  /** Stores a checkpoint for later attempts. Earlier failures no longer count against the job. */
  async save(attempt: Attempt, runId: string, report: CheckpointReport): Promise<void> {
    const { job, number } = attempt;
    const objectKey = `${job.tenant}/runs/${runId}/checkpoints/epoch-${report.epoch}-attempt-${number}.ckpt`;
    await attempt.write((session) => this.staged.stage(session, objectKey));
    const stored = await this.objects.put(objectKey, createReadStream(report.path));
    if (stored.sha256 !== report.sha256)
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        `The checkpoint of epoch ${report.epoch} changed on its way to the object store.`,
      );
    await attempt.write(async (session) => {
      await this.staged.settle(session, [objectKey]);
      session.em.create(Checkpoint, {
        tenant: job.tenant,
        jobId: job.id,
        attempt: number,
        epoch: report.epoch,
        objectKey,
        ...stored,
      });
      await session.em.flush();
      await this.prune(session, job.id);
      await attempt.forgiveFailures(session);
    });
  }

  /**
   * Takes over a checkpoint whose file work outside has stored already. Call in the transaction that keeps its report;
   * its size and hash are checked when it is restored.
   */
  async adopt(
    session: Session,
    job: Job,
    { epoch, objectKey, sizeBytes, sha256 }: { epoch: number; objectKey: string; sizeBytes: number; sha256: string },
  ): Promise<void> {
    await this.staged.settle(session, [objectKey]);
    session.em.create(Checkpoint, {
      ...{ tenant: job.tenant, jobId: job.id, attempt: job.externalAttempt ?? job.attempt },
      ...{ epoch, objectKey, sizeBytes, sha256 },
    });
    await session.em.flush();
    await this.prune(session, job.id);
    await this.jobs.forgiveFailuresOutside(session, job.id);
  }

  /** Copies the newest intact checkpoint of the job to `target`; null when there is none. Damaged ones are skipped. */
  async restore(attempt: Attempt, target: string): Promise<Checkpoint | null> {
    for (const checkpoint of await attempt.read((session) => this.newestFirst(session, attempt.job.id))) {
      const damage = await this.copySound(checkpoint, target);
      if (damage === null) return checkpoint;
      attempt.logger.warn({ epoch: checkpoint.epoch, damage }, 'checkpoint not usable');
    }
    return null;
  }

  private newestFirst(session: Session, jobId: string): Promise<Checkpoint[]> {
    return session.em.find(
      Checkpoint,
      { tenant: session.tenant, jobId },
      { orderBy: { epoch: 'DESC', attempt: 'DESC' } },
    );
  }

  /** What is wrong with the stored file; null when it was copied and is intact. */
  private async copySound({ objectKey, sizeBytes, sha256 }: Checkpoint, target: string): Promise<string | null> {
    try {
      const size = await this.objects.sizeBytes(objectKey);
      if (size !== sizeBytes) return `${size} bytes instead of ${sizeBytes}`;
      using file = await this.objects.localFile(objectKey);
      await copyFile(file.path, target);
    } catch (error) {
      if (error instanceof AppError && error.code === ErrorCode.NOT_FOUND) return 'gone';
      throw error;
    }
    return (await sha256Of(target)) === sha256 ? null : 'another SHA-256';
  }

  private async prune(session: Session, jobId: string): Promise<void> {
    const old = (await this.newestFirst(session, jobId)).slice(KEPT_CHECKPOINTS);
    if (old.length === 0) return;
    await session.em.nativeDelete(Checkpoint, { tenant: session.tenant, id: { $in: old.map(({ id }) => id) } });
    await this.staged.release(
      session,
      old.map(({ objectKey }) => objectKey),
    );
  }
}
