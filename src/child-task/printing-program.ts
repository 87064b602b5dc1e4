import { processName, processTree } from './process-facts.js';
import {
  type EndReason,
  LimitedProcess,
  type LimitedProcessOptions,
  type OutputStream,
  type ProcessEnd,
} from './limited-process.js';

export interface PrintedLine {
  line: string;
  stream: OutputStream;
  loggedAt: Date;
}

export interface PrintingProgramOptions extends Omit<LimitedProcessOptions, 'hasChannel' | 'onText'> {
  /**
   * Receives what the program prints, at most 1,000 lines at once. While it works, the program may print a little more,
   * and then has to wait. An error ends the program.
   */
  onLines(lines: PrintedLine[]): Promise<void>;
}

const MAX_LINE_CHARACTERS = 2_000;
const LINES_AT_ONCE = 1_000;
const MAX_WAITING_LINES = 4_000;
/** So that a line that is printed alone is shown soon, and many together take few calls. */
const COLLECT_MS = 150;
/** They start programs and wait for them; without them, those would not have the time to end. */
const STARTERS = ['bwrap', 'sh', 'dash', 'bash'];

/**
 * A program that prints, in a process group of its own, e.g. one in Python: its lines are passed on while it runs. It
 * speaks no protocol, and nothing that it prints is trusted.
 */
export class PrintingProgram {
  /** Resolves when it has ended and its last line was handled; rejects with an error of `onLines`. */
  readonly ended: Promise<ProcessEnd>;
  private readonly process: LimitedProcess;
  private readonly lines: PrintedLine[] = [];
  private passing: Promise<void> | undefined;
  private failure: { error: unknown } | undefined;

  constructor(private readonly options: PrintingProgramOptions) {
    const readers = { STDOUT: new LineReader(), STDERR: new LineReader() };
    const add = (stream: OutputStream, fresh: readonly string[]) => {
      if (this.failure) return;
      const loggedAt = new Date();
      this.lines.push(...fresh.map((line) => ({ line, stream, loggedAt })));
      if (this.lines.length > MAX_WAITING_LINES) this.process.pauseOutput();
      if (this.lines.length > 0) this.passing ??= this.pass();
    };
    this.process = new LimitedProcess({
      ...options,
      onText: (stream, text) => add(stream, readers[stream].read(text)),
    });
    this.ended = this.process.ended.then(async (end) => {
      for (const stream of ['STDOUT', 'STDERR'] as const) add(stream, readers[stream].rest());
      await this.passing;
      if (this.failure) throw this.failure.error;
      return end;
    });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** Ends the program and its process group at once. */
  kill(reason?: EndReason): void {
    this.process.kill(reason);
    this.process.resumeOutput();
  }

  /** Asks its processes to end (SIGTERM), and ends those that have not after this time. */
  terminate(graceMs: number): void {
    if (this.pid === undefined) return;
    for (const pid of processTree(this.pid)) {
      if (STARTERS.includes(processName(pid) ?? '')) continue;
      try {
        process.kill(pid, 'SIGTERM');
      } catch {
        // It has just ended.
      }
    }
    const timer = setTimeout(() => this.kill(), graceMs);
    void this.process.ended.then(() => clearTimeout(timer));
  }

  private async pass(): Promise<void> {
    try {
      await new Promise((resolve) => setTimeout(resolve, COLLECT_MS));
      while (this.lines.length > 0) {
        await this.options.onLines(this.lines.splice(0, LINES_AT_ONCE));
        if (this.lines.length < MAX_WAITING_LINES) this.process.resumeOutput();
      }
    } catch (error) {
      this.failure = { error };
      this.lines.length = 0;
      this.kill();
    } finally {
      this.passing = undefined;
    }
  }
}

/** Text as lines. A progress bar writes its line again and again: what counts is the last state. */
export class LineReader {
  private begun = '';

  read(text: string): string[] {
    const parts = text.split('\n');
    return parts.flatMap((part, i) => {
      this.add(part);
      return i < parts.length - 1 ? [this.take()] : [];
    });
  }

  /** The last line, if it has no end. */
  rest(): string[] {
    const line = this.take();
    return line === '' ? [] : [line];
  }

  private add(part: string): void {
    const text = this.begun + part;
    // A carriage return at the end may belong to a line break.
    const line = text.slice(text.lastIndexOf('\r', text.length - 2) + 1);
    this.begun =
      line.length <= MAX_LINE_CHARACTERS
        ? line
        : `${line.slice(0, MAX_LINE_CHARACTERS)}${line.endsWith('\r') ? '\r' : ''}`;
  }

  private take(): string {
    const line = this.begun.replace(/\r$/, '').replaceAll('\0', '\u{FFFD}').toWellFormed();
    this.begun = '';
    return line;
  }
}
