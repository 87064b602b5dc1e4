import type { Logger } from 'pino';
import { MlflowRefusal, type MlflowServer } from '../../adapters/mlflow-server/port.js';
import type { Database, Session } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';
import { mirrorExperiment } from './mirror-experiments.js';
import { mirrorModel, mirrorVersion } from './mirror-models.js';
import { LeasedConsumer, type OutboxSubscriber, waitingChanges } from '../platform/index.js';
import { Busy, MirrorRemote } from './mirror-remote.js';
import { mirrorRun } from './mirror-runs.js';
import {
  claimTasks,
  countTasks,
  endTask,
  failedTasks,
  type LeasedTask,
  markChanged,
  markMissing,
  MIRRORED_TYPES,
  type MirrorKind,
  postponeTask,
  StaleLease,
} from './stores/mirror-tasks.js';

export interface MirrorTarget {
  /** The URL without its password. */
  address: string;
  server: MlflowServer;
}

/** The state of a tenant's mirror. */
export interface MirrorStatus {
  server: string | null;
  waiting: number;
  failing: number;
  oldestChangeAt: Date | null;
  errors: { kind: MirrorKind; id: string; error: string; failures: number; nextAttemptAt: Date }[];
}

/** The mirror gets changes from the outbox. */
export const mirrorSubscriber: OutboxSubscriber = { onChanged: markChanged };

const POLL_MS = 500;
/** How long a task waits while another worker creates what the task needs. */
const BUSY_DELAY_MS = 1_000;
const FIRST_DELAY_MS = 5_000;
const MAX_DELAY_MS = 60 * 60_000;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
const MAX_ERROR_LENGTH = 500;
const ERRORS_SHOWN = 20;

/** Sends changes to another tracking server, each at least once. Requests never wait for it. */
export class MirrorService {
  private readonly consumer: LeasedConsumer<LeasedTask> | null;
  private pausedUntilMs = 0;
  private pauseMs = FIRST_PAUSE_MS;
  private hasMarked = false;
  private isStopped = false;

  constructor(
    private readonly db: Database,
    private readonly logger: Logger,
    private readonly target: MirrorTarget | null,
  ) {
    this.consumer =
      target &&
      new LeasedConsumer({
        name: 'mirror',
        // One at a time: experiments and models come before their content.
        concurrency: 1,
        pollMs: POLL_MS,
        logger,
        claim: (limit) => this.claim(target, limit),
        idOf: ({ kind, localId }) => `${kind} ${localId}`,
        handle: (task) => this.work(target, task),
      });
  }

  start(): void {
    this.consumer?.start();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.target?.server.close();
    await this.consumer?.stop();
  }

  /** Reads how many changes wait; none when no mirror is configured. */
  async status(session: Session): Promise<MirrorStatus> {
    // Before the tasks: what the relay moves in between is then counted twice, not left out.
    const { objects, oldestAt } = await waitingChanges(session, MIRRORED_TYPES);
    const { waiting, failing, oldestChangeAt } = await countTasks(session);
    return {
      server: this.target?.address ?? null,
      waiting: waiting + objects,
      failing,
      oldestChangeAt:
        oldestAt && oldestChangeAt ? new Date(Math.min(+oldestAt, +oldestChangeAt)) : (oldestChangeAt ?? oldestAt),
      errors: await failedTasks(session, ERRORS_SHOWN),
    };
  }

  private async claim({ address }: MirrorTarget, limit: number): Promise<LeasedTask[]> {
    if (Date.now() < this.pausedUntilMs) return [];
    if (!this.hasMarked) await this.db.asSystem((em) => markMissing(em, address));
    this.hasMarked = true;
    return this.db.asSystem((em) => claimTasks(em, limit));
  }

  private async work(target: MirrorTarget, task: LeasedTask): Promise<void> {
    try {
      await this.mirror(target, task);
      await this.db.asSystem((em) => endTask(em, task));
      this.pauseMs = FIRST_PAUSE_MS;
    } catch (error) {
      if (this.isStopped) return this.postpone(task, 0, null, false);
      if (error instanceof StaleLease || error instanceof Busy) {
        this.logger.info(
          { err: error, kind: task.kind, localId: task.localId },
          'mirrored by another worker meanwhile',
        );
        return this.postpone(task, BUSY_DELAY_MS, null, false);
      }
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, MAX_ERROR_LENGTH);
      if (isOutage(error)) return this.pause(task, reason);
      this.logger.warn({ err: error, kind: task.kind, localId: task.localId }, 'not mirrored yet');
      await this.postpone(task, Math.min(FIRST_DELAY_MS * 2 ** task.failures, MAX_DELAY_MS), reason, true);
    }
  }

  private postpone(task: LeasedTask, delayMs: number, reason: string | null, failed: boolean): Promise<void> {
    return this.db.asSystem((em) => postponeTask(em, task, delayMs, reason, failed));
  }

  private mirror(target: MirrorTarget, task: LeasedTask): Promise<void> {
    const remote = new MirrorRemote(this.db, target.server, target.address, task);
    switch (task.kind) {
      case 'EXPERIMENT':
        return mirrorExperiment(remote, task.localId);
      case 'RUN':
        return mirrorRun(remote, task.localId);
      case 'MODEL':
        return mirrorModel(remote, task.localId);
      case 'MODEL_VERSION':
        return mirrorVersion(remote, task.localId);
    }
  }

  /**
   * While the server does not answer, one task is tried at a time, with growing pauses. No task counts this as its own
   * failure.
   */
  private async pause(task: LeasedTask, reason: string): Promise<void> {
    this.logger.warn({ reason, pauseMs: this.pauseMs }, 'the MLflow server that is mirrored to does not answer');
    this.pausedUntilMs = Date.now() + this.pauseMs;
    this.pauseMs = Math.min(this.pauseMs * 2, MAX_PAUSE_MS);
    await this.postpone(task, 0, reason, false);
  }
}

/** No answer, or an answer that every other request would get too. A 500 may be about this one object only. */
function isOutage(error: unknown): boolean {
  if (error instanceof MlflowRefusal) return [401, 403, 408, 429, 502, 503, 504].includes(error.status);
  return error instanceof AppError && error.code === ErrorCode.UNAVAILABLE;
}
