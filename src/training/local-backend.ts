import { type ChildOptions, ChildTask, explainLoss } from '../child-task/child-task.js';
import { conflict } from '../errors.js';
import { TRAINING_PROGRAM, type TrainingReport } from './local-program.js';
import type { RunningTraining, TrainingBackend, TrainingHooks, TrainingOutcome, TrainingRequest } from './port.js';
import { SystemUsage } from './system-usage.js';

export interface LocalTraining extends RunningTraining {
  /** The process of the training; undefined when it could not be started. */
  pid: number | undefined;
}

export interface LocalTrainingOptions {
  limits: ChildOptions['limits'];
  /** Milliseconds between two measurements of the machine; 0 for none. */
  usageIntervalMs: number;
}

/** Trains on this machine, each training in its own child process. */
export class LocalTrainingBackend implements TrainingBackend {
  readonly name = 'local';

  constructor(private readonly options: LocalTrainingOptions) {}

  problem(): Promise<null> {
    return Promise.resolve(null);
  }

  start(request: TrainingRequest, hooks: TrainingHooks): LocalTraining {
    const task = new ChildTask(TRAINING_PROGRAM, {
      limits: this.options.limits,
      cwd: request.workDir,
      ...(request.environment && { env: request.environment }),
    });
    const cancelling = new AbortController();
    return {
      pid: task.pid,
      outcome: this.outcomeOf(task, request, hooks, cancelling.signal),
      cancel: () => cancelling.abort(conflict('The training was cancelled.', { cancelled: true })),
    };
  }

  private async outcomeOf(
    task: ChildTask<TrainingRequest, TrainingReport, TrainingOutcome>,
    request: TrainingRequest,
    hooks: TrainingHooks,
    signal: AbortSignal,
  ): Promise<TrainingOutcome> {
    const endLooks = watchUsage(task.pid, this.options.usageIntervalMs, hooks);
    try {
      return await task.ask(request, { signal, onReport: (report) => tell(hooks, report) });
    } catch (error) {
      throw explainLoss(error, TRAINING_PROGRAM.name);
    } finally {
      endLooks();
      task.kill();
      await task.closed;
    }
  }
}

/** Reports the load of machine and process until the function that it returns is called. */
export function watchUsage(pid: number | undefined, intervalMs: number, hooks: TrainingHooks): () => void {
  if (pid === undefined || intervalMs === 0) return () => undefined;
  const usage = new SystemUsage(pid);
  const timer = setInterval(() => hooks.onUsage?.(usage.look()), intervalMs);
  return () => clearInterval(timer);
}

function tell(hooks: TrainingHooks, report: TrainingReport): Promise<void> | void {
  switch (report.type) {
    case 'progress':
      return hooks.onProgress(report.fraction, report.message);
    case 'epoch':
      return hooks.onEpoch(report.report);
    case 'checkpoint':
      return hooks.onCheckpoint(report.report);
    case 'fold':
      return hooks.onFold(report.result);
    case 'warning':
      return hooks.onWarning(report.warning);
  }
}
