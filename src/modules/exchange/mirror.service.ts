import type { Logger } from 'pino';
import { MlflowRefusal, type MlflowServer } from '../../adapters/mlflow-server/port.js';
import type { Database, Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { AppError, ErrorCode } from '../../errors.js';
import { mirrorExperiment } from './mirror-experiments.js';
import { mirrorModel, mirrorVersion } from './mirror-models.js';
import { Busy, MirrorRemote } from './mirror-remote.js';
import { mirrorRun } from './mirror-runs.js';
import {
  claimTasks,
  endTask,
  markMissing,
  type MirrorKind,
  type MirrorTask,
  postponeTask,
  renewTask,
  StaleLease,
} from './mirror-tasks.js';

export interface MirrorTarget {
  /** Without a password in it. */
  address: string;
  server: MlflowServer;
}

/** Of one tenant. */
export interface MirrorStatus {
  server: string | null;
  waiting: number;
  failing: number;
  oldestChangeAt: Date | null;
  errors: { kind: MirrorKind; id: string; error: string; failures: number; nextAttemptAt: Date }[];
}

const BATCH = 20;
const ORDER: MirrorKind[] = ['EXPERIMENT', 'RUN', 'MODEL', 'MODEL_VERSION'];
/** Until another worker has made what a thing needs. */
const BUSY_DELAY_MS = 1_000;
const FIRST_DELAY_MS = 5_000;
const MAX_DELAY_MS = 60 * 60_000;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
const MAX_ERROR_LENGTH = 500;
const ERRORS_SHOWN = 20;

/** Carries what has changed here to another tracking server, at least once each; requests never wait for it. */
export class MirrorService {
  private pausedUntilMs = 0;
  private pauseMs = FIRST_PAUSE_MS;
  private hasMarked = false;
  private stopped = false;

  constructor(
    private readonly db: Database,
    private readonly logger: Logger,
    private readonly target: MirrorTarget | null,
  ) {}

  /** What is due, until nothing is or the server is away. */
  async tick(): Promise<void> {
    const { target } = this;
    if (!target || Date.now() < this.pausedUntilMs) return;
    if (!this.hasMarked) await this.db.asSystem((em) => markMissing(em, target.address));
    this.hasMarked = true;
    while (!this.stopped) {
      const tasks = await this.db.asSystem((em) => claimTasks(em, BATCH));
      if (tasks.length === 0) return;
      // Ids are in the order of creation.
      tasks.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || (a.localId < b.localId ? -1 : 1));
      for (const [i, task] of tasks.entries()) {
        const away = this.stopped ? 'this process stops' : await this.work(target, task);
        if (away === null) continue;
        await this.giveBack(tasks.slice(i), away);
        return;
      }
    }
  }

  stop(): void {
    this.stopped = true;
    this.target?.server.close();
  }

  /** Nothing waits where nothing is mirrored. */
  async status(session: Session): Promise<MirrorStatus> {
    const [counts] = await sql<{ waiting: number; failing: number; oldestChangeAt: Date | null }>(
      session.em,
      `select count(*)::int as waiting, (count(*) filter (where failures > 0))::int as failing, min(changed_at) as "oldestChangeAt"
       from mirror_task where tenant = ?`,
      [session.tenant],
    );
    const errors = await sql<MirrorStatus['errors'][number]>(
      session.em,
      `select kind, local_id as id, error, failures, not_before as "nextAttemptAt" from mirror_task
       where tenant = ? and error is not null order by changed_at desc, local_id limit ${ERRORS_SHOWN}`,
      [session.tenant],
    );
    return {
      server: this.target?.address ?? null,
      ...{ waiting: 0, failing: 0, oldestChangeAt: null },
      ...counts,
      errors,
    };
  }

  /** Null when the next task may be tried; otherwise why none can be. */
  private async work(target: MirrorTarget, task: MirrorTask): Promise<string | null> {
    try {
      // Those before it may have taken long.
      await this.db.asSystem((em) => renewTask(em, task));
      await this.mirror(target, task);
      await this.db.asSystem((em) => endTask(em, task));
      this.pauseMs = FIRST_PAUSE_MS;
      return null;
    } catch (error) {
      if (this.stopped) return 'this process stops';
      if (error instanceof StaleLease || error instanceof Busy) {
        this.logger.info(
          { err: error, kind: task.kind, localId: task.localId },
          'mirrored by another worker meanwhile',
        );
        await this.db.asSystem((em) => postponeTask(em, task, BUSY_DELAY_MS, null, false));
        return null;
      }
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, MAX_ERROR_LENGTH);
      if (isOutage(error)) return reason;
      this.logger.warn({ err: error, kind: task.kind, localId: task.localId }, 'not mirrored yet');
      const delayMs = Math.min(FIRST_DELAY_MS * 2 ** task.failures, MAX_DELAY_MS);
      await this.db.asSystem((em) => postponeTask(em, task, delayMs, reason, true));
      return null;
    }
  }

  private mirror(target: MirrorTarget, task: MirrorTask): Promise<void> {
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

  /** One look at a time while the server is away, each later than the one before; no task pays for that. */
  private async giveBack(tasks: MirrorTask[], reason: string): Promise<void> {
    const error = this.stopped ? null : reason;
    for (const [i, task] of tasks.entries())
      await this.db.asSystem((em) => postponeTask(em, task, 0, i === 0 ? error : null, false));
    if (this.stopped) return;
    this.logger.warn({ reason, pauseMs: this.pauseMs }, 'the MLflow server that is mirrored to is away');
    this.pausedUntilMs = Date.now() + this.pauseMs;
    this.pauseMs = Math.min(this.pauseMs * 2, MAX_PAUSE_MS);
  }
}

/** No answer, or one that every other request would get too. A 500 may be for this one thing alone. */
function isOutage(error: unknown): boolean {
  if (error instanceof MlflowRefusal) return [401, 403, 408, 429, 502, 503, 504].includes(error.status);
  return error instanceof AppError && error.code === ErrorCode.UNAVAILABLE;
}
