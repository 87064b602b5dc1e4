import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { AppError, ErrorCode } from '../errors.js';
import { type MessageReader, V8_WIRE, type Wire } from './frames.js';
import { type EndReason, LimitedProcess, type LimitedProcessOptions, type ProcessLimits } from './limited-process.js';
import { type FromChild, fromChildSchema, type ToChild } from './messages.js';

/** A program that runs in a child process; its entry calls `serveParent` with the same types. */
export interface ChildProgram<Request, Report, Result> {
  /** The name in errors, e.g. `training` for "The training process ended by signal SIGKILL". */
  name: string;
  /** The compiled file below the folder of the service's code, e.g. `training/local-child.js`. */
  entry: string;
  /** A message of any other shape ends the process. */
  report: z.ZodType<Report>;
  result: z.ZodType<Result>;
  /** `V8_WIRE` when absent. */
  wire?: Wire;
  /** Never set; it only carries the type. */
  request?: Request;
}

export interface ChildOptions extends Pick<LimitedProcessOptions, 'wrapper' | 'isFirstVictim' | 'staysInGroup'> {
  limits: ProcessLimits;
  /** When absent: the system's folder for temporary files. */
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Limit of the JavaScript heap, in MiB. */
  maxHeapMib?: number;
  /** Additional options of Node.js. */
  nodeOptions?: readonly string[];
  /** Limit of one message from the process. */
  maxMessageBytes?: number;
}

export interface AskOptions<Report> {
  /** After this time the process is ended. */
  timeLimitMs?: number;
  /** Aborting ends the process; the answer then rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Reports are handled one after the other; meanwhile no other message is read. */
  onReport?: (report: Report) => Promise<void> | void;
}

/** The process ended before it answered, or was ended by the service. */
export class ChildLost extends Error {
  constructor(
    readonly reason: EndReason,
    /** For example `signal SIGKILL`. */
    readonly how: string,
    /** The last part of its standard error. */
    complaint: string,
  ) {
    super(`${reason}: ${how}`, { cause: complaint });
    this.name = 'ChildLost';
  }
}

interface Asked<Report, Result> {
  onReport: AskOptions<Report>['onReport'];
  resolve(result: Result): void;
  reject(error: unknown): void;
}

const MAX_MESSAGE_BYTES = 256 * 1024 ** 2;

/** The folder of the compiled code, also when this module runs from src under a test runner. */
export const CODE_FOLDER = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/' : '../', import.meta.url),
);

function entryPath({ name, entry }: { name: string; entry: string }): string {
  const path = join(CODE_FOLDER, entry);
  if (!existsSync(path))
    throw new AppError(ErrorCode.INTERNAL, `The ${name} process is not built: run \`node scripts/prepare.mjs\`.`);
  return path;
}

/** A child process that handles one request at a time. */
export class ChildTask<Request, Report, Result> {
  /** Resolves when the process ends. */
  readonly closed: Promise<void>;
  private readonly process: LimitedProcess;
  private readonly wire: Wire;
  private readonly reader: MessageReader;
  private readonly arrived: FromChild[] = [];
  private asked: Asked<Report, Result> | undefined;
  private lost: ChildLost | undefined;
  private isHandling = false;

  constructor(
    private readonly program: ChildProgram<Request, Report, Result>,
    options: ChildOptions,
  ) {
    const { cwd = tmpdir(), env = {}, maxHeapMib, nodeOptions = [], maxMessageBytes = MAX_MESSAGE_BYTES } = options;
    this.wire = program.wire ?? V8_WIRE;
    this.reader = this.wire.reader(maxMessageBytes);
    const heap = maxHeapMib === undefined ? [] : [`--max-old-space-size=${maxHeapMib}`];
    const command = [process.execPath, ...heap, ...nodeOptions, entryPath(program)];
    this.process = new LimitedProcess({ ...options, command, cwd, env, hasChannel: true });
    this.process.channel!.on('data', (chunk: Buffer) => this.receive(chunk));
    this.closed = this.process.ended.then(({ reason, how, complaint }) => {
      this.lost = new ChildLost(reason, how, complaint);
      this.asked?.reject(this.lost);
    });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  get isAlive(): boolean {
    return this.lost === undefined;
  }

  /**
   * Rejects with the AppError that the program threw, with ChildLost when the process ended, or with what `onReport`
   * threw, which ends the process.
   */
  async ask(request: Request, { timeLimitMs, signal, onReport }: AskOptions<Report> = {}): Promise<Result> {
    if (this.asked) throw new Error('A child process is asked one thing at a time.');
    signal?.throwIfAborted();
    if (this.lost) throw this.lost;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.asked = { onReport, resolve, reject };
    const timer = timeLimitMs === undefined ? undefined : setTimeout(() => this.process.killLate(), timeLimitMs);
    const cancel = () => this.process.kill('CLOSED');
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      this.tell({ kind: 'ask', request });
      return await promise;
    } catch (error) {
      if (signal?.aborted && error instanceof ChildLost) throw signal.reason;
      throw error;
    } finally {
      clearTimeout(timer);
      this.process.isLate = false;
      signal?.removeEventListener('abort', cancel);
      this.asked = undefined;
    }
  }

  /** Ends the process and all processes that it started. */
  kill(): void {
    this.process.kill('CLOSED');
  }

  private tell(message: ToChild): void {
    // A process that has just ended cannot receive messages: its end is reported instead.
    if (this.process.channel!.writable) this.process.channel!.write(this.wire.encode(message));
  }

  private receive(chunk: Buffer): void {
    if (this.process.isEnding) return;
    try {
      for (const value of this.reader.push(chunk)) this.arrived.push(fromChildSchema.parse(value));
    } catch (error) {
      return this.process.kill('PROTOCOL', String(error));
    }
    this.process.heard();
    if (!this.isHandling) void this.handleArrived();
  }

  /** Handles messages in order. Meanwhile nothing is read, so that a child that sends too much has to wait. */
  private async handleArrived(): Promise<void> {
    this.isHandling = true;
    for (let message = this.arrived.shift(); message && !this.process.isEnding; message = this.arrived.shift()) {
      const handled = this.handle(message);
      if (!handled) continue;
      this.process.channel!.pause();
      this.process.isUnheard = true;
      await handled;
      this.process.isUnheard = false;
      this.process.channel!.resume();
    }
    this.isHandling = false;
  }

  private handle(message: FromChild): Promise<void> | void {
    switch (message.kind) {
      case 'beat':
        return;
      case 'report':
        return this.handleReport(message.report, message.isAwaited);
      case 'done': {
        const { error, data } = this.program.result.safeParse(message.result);
        if (error) return this.process.kill('PROTOCOL', error.message);
        return this.asked?.resolve(data);
      }
      case 'refused':
        return this.asked?.reject(new AppError(message.code, message.message, message.details));
      case 'failed':
        return this.asked?.reject(
          new AppError(ErrorCode.INTERNAL, `The ${this.program.name} failed.`, {}, { cause: message.stack }),
        );
    }
  }

  private handleReport(value: unknown, isAwaited: boolean): Promise<void> | void {
    const { error: refusal, data: report } = this.program.report.safeParse(value);
    if (refusal) return this.process.kill('PROTOCOL', refusal.message);
    const { asked } = this;
    const fail = (error: unknown) => {
      asked?.reject(error);
      this.kill();
    };
    const acknowledge = () => {
      if (isAwaited) this.tell({ kind: 'received' });
    };
    try {
      const handled = asked?.onReport?.(report);
      if (handled) return handled.then(acknowledge, fail);
      acknowledge();
    } catch (error) {
      fail(error);
    }
  }
}

/** Starts a process for one request; it has ended when the answer arrives. */
export async function askOnce<Request, Report, Result>(
  program: ChildProgram<Request, Report, Result>,
  options: ChildOptions,
  request: Request,
  ask: AskOptions<Report>,
): Promise<Result> {
  const task = new ChildTask(program, options);
  try {
    return await task.ask(request, ask);
  } finally {
    task.kill();
    await task.closed;
  }
}

/** Translates the loss of a child process for the caller; any other error is returned unchanged. */
export function explainLoss(error: unknown, name: string): unknown {
  if (!(error instanceof ChildLost)) return error;
  const { code, sentence } = MEANING[error.reason];
  const message = `The ${name} process ${sentence.replace('{how}', error.how)}`;
  return new AppError(code, message, { got: error.how }, { cause: error.cause });
}

const MEANING: Record<EndReason, { code: ErrorCode; sentence: string }> = {
  START: { code: ErrorCode.UNAVAILABLE, sentence: 'could not be started.' },
  EXIT: { code: ErrorCode.UNAVAILABLE, sentence: 'ended by {how}.' },
  SIGNAL: { code: ErrorCode.UNAVAILABLE, sentence: 'ended by {how}.' },
  MEMORY: {
    code: ErrorCode.RESOURCE_EXHAUSTED,
    sentence: 'needed more memory than it may take and was ended: use fewer rows or columns.',
  },
  CPU: {
    code: ErrorCode.RESOURCE_EXHAUSTED,
    sentence: 'needed more processor time than it may take and was ended: use fewer rows or columns.',
  },
  TIME: {
    code: ErrorCode.RESOURCE_EXHAUSTED,
    sentence: 'took longer than it may and was ended: use fewer rows or columns.',
  },
  SILENCE: { code: ErrorCode.UNAVAILABLE, sentence: 'gave no sign of life and was ended.' },
  OUTPUT: { code: ErrorCode.UNAVAILABLE, sentence: 'wrote too many error messages and was ended.' },
  PROCESSES: { code: ErrorCode.RESOURCE_EXHAUSTED, sentence: 'started more processes than it may and was ended.' },
  DISK: { code: ErrorCode.RESOURCE_EXHAUSTED, sentence: 'wrote more to the disk than it may and was ended.' },
  PROTOCOL: { code: ErrorCode.UNAVAILABLE, sentence: 'sent a message that is not valid and was ended.' },
  CLOSED: { code: ErrorCode.UNAVAILABLE, sentence: 'was ended.' },
};
