import type { Readable } from 'node:stream';
import type { ByteRange, ObjectStore, StoredObject } from '../../adapters/object-store/port.js';
import type { Session } from '../../db/database.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import { AppError, badInput, conflict, ErrorCode, notFoundByName } from '../../errors.js';
import type { RunLogService, RunService } from '../experiments/index.js';
import type { JobService, OutsideCompletion } from '../jobs/index.js';
import type { StagedObjects } from '../uploads/index.js';
import type { CheckpointService } from './checkpoint.service.js';
import { epochLine, lineOf } from './rules/log-lines.js';
import { type OutsideReport, WORK_FILE } from './rules/outside-report.js';
import { workFolder } from './rules/work-folder.js';

export interface OutsideReportParts {
  objects: ObjectStore;
  staged: StagedObjects;
  jobs: JobService;
  outside: OutsideCompletion;
  runs: RunService;
  runLogs: RunLogService;
  checkpoints: CheckpointService;
  maxFileBytes: number;
}

/** What trainings that run outside send: reports and files. They show the token of the attempt that started them. */
export class OutsideReports {
  constructor(private readonly parts: OutsideReportParts) {}

  /**
   * Keeps the reports that are new, in one transaction, and returns the number of the last one that the service has.
   * CONFLICT when one is missing before them, or when the work is over.
   */
  receive(token: string | null, jobId: string, reports: readonly OutsideReport[]): Promise<number> {
    return this.parts.outside.asWork(token, jobId, async (session, job) => {
      const fresh = reports.filter(({ seq }) => seq > job.reportSeq);
      let known = job.reportSeq;
      for (const report of fresh) {
        if (report.seq !== known + 1)
          throw conflict(`Report ${known + 1} of job ${jobId} is missing before report ${report.seq}: send it first.`, {
            field: 'reports',
            expected: String(known + 1),
            got: String(report.seq),
          });
        await this.keep(session, job, report, token ?? '');
        known = report.seq;
      }
      if (fresh.length > 0) await this.parts.jobs.acknowledge(session, jobId, known);
      return known;
    });
  }

  /** Stores a file of the work; it replaces an earlier one. NOT_FOUND, UNAUTHENTICATED and CONFLICT as for reports. */
  async store(token: string | null, jobId: string, name: string, content: Readable): Promise<StoredObject> {
    if (!WORK_FILE.test(name))
      throw badInput('name', 'checkpoint-<epoch>, trained.safetensors, outputs-<row> or result.json', name);
    const { outside, staged, objects, maxFileBytes } = this.parts;
    const key = await outside.asWork(token, jobId, async (session, job) => {
      const path = keyOf(job, name);
      await staged.stage(session, path);
      return path;
    });
    return objects.put(key, content, { maxBytes: maxFileBytes });
  }

  /** A file that the service has prepared for the work. NOT_FOUND when there is none with this name. */
  async open(
    token: string | null,
    jobId: string,
    name: string,
  ): Promise<{ sizeBytes: number; read(range?: ByteRange): Promise<Readable> }> {
    const { outside, objects } = this.parts;
    if (!/^[a-z0-9][a-z0-9.-]{0,63}$/.test(name)) throw notFoundByName('file', name);
    const key = await outside.asWork(token, jobId, async (_session, job) => keyOf(job, name));
    try {
      return { sizeBytes: await objects.sizeBytes(key), read: (range) => objects.get(key, range) };
    } catch (error) {
      if (error instanceof AppError && error.code === ErrorCode.NOT_FOUND) throw notFoundByName('file', name);
      throw error;
    }
  }

  private async keep(session: Session, job: Job, report: OutsideReport, token: string): Promise<void> {
    const { jobs, runs, checkpoints } = this.parts;
    if (report.type === 'progress') {
      // Between two workers, nobody is there to show progress.
      if (job.status === 'RUNNING')
        await jobs.progress(session, job.id, job.attempt, report.fraction, withoutToken(report.message, token));
      return;
    }
    const { runId } = job;
    if (runId == null)
      throw badInput('reports', 'reports of progress: this job has no run', `a report of the type ${report.type}`);
    switch (report.type) {
      case 'epoch':
        await runs.logStep(session, runId, report.epoch, report.metrics);
        return this.log(session, runId, epochLine(report), report.at);
      case 'log':
        return this.log(session, runId, withoutToken(report.line, token), report.at);
      case 'checkpoint':
        return checkpoints.adopt(session, job, { ...report, objectKey: keyOf(job, report.file) });
    }
  }

  private async log(session: Session, runId: string, line: string, at: number): Promise<void> {
    await this.parts.runLogs.append(session, runId, [{ line: lineOf(line), loggedAt: new Date(at), stream: 'SYSTEM' }]);
  }
}

function withoutToken(text: string, token: string): string {
  return text.replaceAll(token, '(hidden)');
}

/** The attempt that started the work has named its folder. */
function keyOf({ id: jobId, tenant, runId, externalAttempt, attempt }: Job, name: string): string {
  return `${workFolder({ tenant, jobId, runId }, externalAttempt ?? attempt)}/${name}`;
}
