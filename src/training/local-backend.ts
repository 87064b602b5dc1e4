import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AppError, conflict, ErrorCode } from '../errors.js';
import type { FromChild, ToChild } from './local-messages.js';
import { SystemUsage } from './system-usage.js';
import type { RunningTraining, TrainingBackend, TrainingHooks, TrainingOutcome, TrainingRequest } from './port.js';

/** What the process wrote to its standard error last, kept as the cause of its end. */
const COMPLAINT_CHARACTERS = 4000;

/** The compiled child, wherever this module runs from: beside it in dist, or src under a test runner. */
function childEntry(): string {
  const compiled = import.meta.url.endsWith('.ts') ? '../../dist/training/local-child.js' : './local-child.js';
  const entry = fileURLToPath(new URL(compiled, import.meta.url));
  if (!existsSync(entry))
    throw new AppError(ErrorCode.INTERNAL, 'The training process is not built: run `node scripts/prepare.mjs`.');
  return entry;
}

export interface LocalTraining extends RunningTraining {
  /** Of the training's process; undefined if it could not be started. */
  pid: number | undefined;
}

/** Trains on this machine, each training in a process of its own. */
export class LocalTrainingBackend implements TrainingBackend {
  readonly name = 'local';

  /** Time between two looks at the machine in milliseconds; 0 for none. */
  constructor(private readonly usageIntervalMs = 0) {}

  start(request: TrainingRequest, hooks: TrainingHooks): LocalTraining {
    // An empty environment: a training needs no setting and no secret of the service.
    const child = fork(childEntry(), [], {
      serialization: 'advanced',
      cwd: request.workDir,
      env: {},
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const endLooks = this.watch(child.pid, hooks);
    let cancelled = false;
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-COMPLAINT_CHARACTERS);
    });
    const tell = (message: ToChild): void => {
      // To a process that has just died a message cannot be delivered: its exit is what will be reported.
      if (child.connected) child.send(message, () => {});
    };

    const outcome = new Promise<TrainingOutcome>((resolve, reject) => {
      const fail = (error: unknown): void => {
        reject(error);
        child.kill('SIGKILL');
      };
      const acknowledge = (handled: Promise<void>): void => {
        handled.then(() => tell({ type: 'received' }), fail);
      };
      child.on('message', (message: FromChild) => {
        if (cancelled) return;
        switch (message.type) {
          case 'progress':
            return hooks.onProgress(message.fraction, message.message);
          case 'epoch':
            return acknowledge(hooks.onEpoch(message.report));
          case 'checkpoint':
            return acknowledge(hooks.onCheckpoint(message.report));
          case 'warning':
            return acknowledge(hooks.onWarning(message.warning));
          case 'done':
            return resolve(message.outcome);
          case 'failed': {
            const { code, message: text, details, stack } = message.error;
            return reject(new AppError(code, text, details, { cause: stack }));
          }
        }
      });
      child.on('error', (error) => {
        endLooks();
        fail(new AppError(ErrorCode.UNAVAILABLE, 'The training process could not run.', {}, { cause: error }));
      });
      child.on('exit', (exitCode, signal) => {
        endLooks();
        if (cancelled) return reject(conflict('The training was cancelled.', { cancelled: true }));
        // A settled promise ignores this: it matters only when the process is gone without a last word.
        const how = signal ? `signal ${signal}` : `exit code ${exitCode}`;
        reject(
          new AppError(
            ErrorCode.UNAVAILABLE,
            `The training process ended by ${how}.`,
            { got: how },
            { cause: complaint },
          ),
        );
      });
      tell({ type: 'start', request });
    });
    return {
      pid: child.pid,
      outcome,
      cancel: () => {
        cancelled = true;
        child.kill('SIGKILL');
      },
    };
  }

  private watch(pid: number | undefined, hooks: TrainingHooks): () => void {
    if (pid === undefined || this.usageIntervalMs === 0) return () => undefined;
    const usage = new SystemUsage(pid);
    const timer = setInterval(() => hooks.onUsage?.(usage.look()), this.usageIntervalMs);
    return () => clearInterval(timer);
  }
}
