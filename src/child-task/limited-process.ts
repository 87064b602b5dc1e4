import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Socket } from 'node:net';
import { processorTime, processTree, residentBytes } from './process-facts.js';

/** Limits of a child process. An absent limit does not apply. */
export interface ProcessLimits {
  /** The process is ended after this time without a sign of life: see ADR 0025. */
  silenceMs: number;
  /** Resident memory. It is measured several times a second, so a process may exceed it for a moment. */
  residentBytes?: number;
  /** Private writable memory: an allocation above it fails at once. */
  dataBytes?: number;
  /** All mapped memory. Not for Node.js, which reserves much more than it uses. */
  addressBytes?: number;
  /** Processor time of all threads. */
  cpuMs?: number;
  /** The largest file that it may write. */
  fileBytes?: number;
  openFiles?: number;
  /** Processes at the same time, itself included. They are counted several times a second; needs `watchesTree`. */
  processes?: number;
  /** What it may write to its standard output and error; 16 MiB of errors when absent. */
  outputBytes?: number;
}

export interface LimitedProcessOptions {
  command: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  limits: ProcessLimits;
  /** A command that runs the command line after it, e.g. one that removes the network. */
  wrapper?: readonly string[];
  /** Opens a socket to the process, as its file descriptor 3. */
  hasChannel?: boolean;
  /** Receives what it prints. When absent, its standard output is dropped, and of its errors the last part is kept. */
  onText?: (stream: OutputStream, text: string) => void;
  /** Whether signs of life of processes that it starts count as well. */
  watchesTree?: boolean;
  /**
   * For a process that starts no others and answers quickly: it stays in the group and session of this one. Linux
   * gives each session a share of the processors, so that a process in its own one waits longer on a busy machine.
   */
  staysInGroup?: boolean;
  /** When the system has too little memory, it ends this process before the service. */
  isFirstVictim?: boolean;
}

export type OutputStream = 'STDOUT' | 'STDERR';

/**
 * Why a child process ended. EXIT and SIGNAL: by itself, or by somebody else. CLOSED: its owner no longer needs it.
 * Others: it was ended for the named reason.
 */
export type EndReason =
  | 'START'
  | 'EXIT'
  | 'SIGNAL'
  | 'MEMORY'
  | 'CPU'
  | 'TIME'
  | 'SILENCE'
  | 'OUTPUT'
  | 'PROCESSES'
  | 'DISK'
  | 'PROTOCOL'
  | 'CLOSED';

export interface ProcessEnd {
  reason: EndReason;
  /** For example `signal SIGKILL`. */
  how: string;
  /** The last part of its standard error. */
  complaint: string;
}

const COMPLAINT_CHARACTERS = 4_000;
/** More than any warning; a process that writes more does no useful work. */
const MAX_OUTPUT_BYTES = 16 * 1024 ** 2;
const LOOKS_PER_SILENCE = 5;
const MAX_LOOK_INTERVAL_MS = 500;
const MIN_LOOK_INTERVAL_MS = 50;
/** When its time is up; longer than the pause between two beats. */
const LATE_SILENCE_MS = 1_000;
const KIBIBYTE = 1024;
const FILE_BLOCK_BYTES = 512;
/** Time to end by itself after its processor time is used up, before it is killed. */
const CPU_GRACE_SECONDS = 5;
/** What a process writes to its standard error when it watches one of these limits itself, before it ends. */
export const WATCHED_LIMIT = { memory: 'matih: memory over the limit', cpu: 'matih: processor time over the limit' };
const OUT_OF_MEMORY = /heap out of memory|Fatal process out of memory|bad_alloc|failed to reserve|MemoryError/i;

/** A shell sets the limits, and then becomes the process. */
function limitingShell(limits: ProcessLimits, isFirstVictim: boolean): string[] {
  const { dataBytes, addressBytes, cpuMs, fileBytes, openFiles } = limits;
  const lines = ['ulimit -c 0'];
  if (isFirstVictim) lines.push('echo 1000 >/proc/self/oom_score_adj');
  if (fileBytes !== undefined) lines.push(`ulimit -f ${Math.ceil(fileBytes / FILE_BLOCK_BYTES)}`);
  if (openFiles !== undefined) lines.push(`ulimit -n ${openFiles}`);
  if (dataBytes !== undefined) lines.push(`ulimit -d ${Math.ceil(dataBytes / KIBIBYTE)}`);
  if (addressBytes !== undefined) lines.push(`ulimit -v ${Math.ceil(addressBytes / KIBIBYTE)}`);
  if (cpuMs !== undefined) {
    const seconds = Math.ceil(cpuMs / 1000);
    lines.push(`ulimit -S -t ${seconds}`, `ulimit -H -t ${seconds + CPU_GRACE_SECONDS}`);
  }
  // A limit that cannot be set is already lower.
  const script = lines.map((line) => `{ ${line}; } 2>/dev/null`).join('; ');
  return ['/bin/sh', '-c', `${script}; exec "$@"`, 'sh'];
}

let endsWithParent: readonly string[] | undefined;

/**
 * The command with which the kernel ends a process together with its parent, however the parent ends; empty when the
 * system does not have it.
 */
function endingWithParent(): readonly string[] {
  const command = ['setpriv', '--pdeathsig', 'KILL'];
  endsWithParent ??=
    spawnSync(command[0]!, [...command.slice(1), 'true'], {
      stdio: 'ignore',
      timeout: 2_000,
      killSignal: 'SIGKILL',
    }).status === 0
      ? command
      : [];
  return endsWithParent;
}

/**
 * A child process with its own environment and limits, and mostly a process group, which ends with it. It is ended when
 * it shows no sign of life, floods its output, or its parent has ended.
 */
export class LimitedProcess {
  /** Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Null unless requested. */
  readonly channel: Socket | null;
  /** Set by the reader while it does not read, because a message counts as a sign of life. */
  isUnheard = false;
  /** Its time is up: it is ended as soon as it is known whether it stands still. */
  isLate = false;
  private readonly child: ChildProcess;
  private readonly looks: NodeJS.Timeout;
  private complaint = '';
  private outputBytes = 0;
  private endedFor: EndReason | undefined;
  private isOver = false;
  private hasSpoken = false;
  private lastMs: number | undefined;
  private silentLooks = 0;

  constructor(private readonly options: LimitedProcessOptions) {
    const { limits, wrapper = [], isFirstVictim = false, hasChannel = false, onText } = options;
    const [command, ...args] =
      process.platform === 'win32'
        ? options.command
        : [...wrapper, ...limitingShell(limits, isFirstVictim), ...endingWithParent(), ...options.command];
    this.child = spawn(command!, args, {
      cwd: options.cwd,
      env: options.env,
      stdio: ['ignore', onText ? 'pipe' : 'ignore', 'pipe', ...(hasChannel ? (['pipe'] as const) : [])],
      detached: !options.staysInGroup,
    });
    this.channel = hasChannel ? (this.child.stdio[3] as Socket) : null;
    // An error here means that the process has ended: see `ended`.
    this.channel?.on('error', () => undefined);
    if (this.child.stdout) this.readOutput('STDOUT', this.child.stdout);
    this.readOutput('STDERR', this.child.stderr!);
    this.looks = setInterval(() => this.look(), this.lookIntervalMs).unref();
    this.ended = new Promise((resolve) => {
      const end = (reason: EndReason, how: string) => {
        this.isOver = true;
        clearInterval(this.looks);
        this.channel?.destroy();
        resolve({ reason, how, complaint: this.complaint });
      };
      this.child.once('error', (error) => end('START', error.message));
      // Processes that it started may hold its standard error open.
      this.child.once('exit', () => this.killGroup());
      this.child.once('close', (code, signal) =>
        end(this.reasonOf(code, signal), signal ? `signal ${signal}` : `exit code ${code}`),
      );
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** True while it is being ended: further messages are ignored. */
  get isEnding(): boolean {
    return this.endedFor !== undefined;
  }

  /** Ends the process and its whole process group at once. */
  kill(reason: EndReason = 'CLOSED', why = ''): void {
    if (this.isOver) return;
    this.complaint += why;
    this.endedFor ??= reason;
    this.killGroup();
  }

  /** Call when its time is up. Whether it stands still, which is then the reason, may be known only a little later. */
  killLate(): void {
    const { ms, isKnown } = this.spent();
    if (!isKnown || this.hasSpoken || (ms !== this.lastMs && this.silentLooks === 0)) this.kill('TIME');
    else this.isLate = true;
  }

  /** Call for each message: it is a sign of life. */
  heard(): void {
    this.hasSpoken = true;
  }

  private killGroup(): void {
    const { pid } = this.child;
    if (pid === undefined) return;
    if (this.options.staysInGroup) return void this.child.kill('SIGKILL');
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // The process has just ended.
    }
  }

  private get lookIntervalMs(): number {
    const { silenceMs } = this.options.limits;
    return Math.max(MIN_LOOK_INTERVAL_MS, Math.min(MAX_LOOK_INTERVAL_MS, silenceMs / LOOKS_PER_SILENCE));
  }

  /**
   * Silence is counted in checks: when this service or the machine was frozen, only one check ran in that time, so no
   * process is considered dead.
   */
  private look(): void {
    const { pid } = this.child;
    if (pid === undefined || this.isOver) return;
    const { limits, hasChannel = false } = this.options;
    const processes = this.processes(pid);
    if (processes.length > (limits.processes ?? Infinity)) return this.kill('PROCESSES');
    if (limits.residentBytes !== undefined) {
      const bytes = processes.reduce((sum, one) => sum + (residentBytes(one) ?? 0), 0);
      if (bytes > limits.residentBytes) return this.kill('MEMORY');
    }
    const { ms, isKnown } = this.spent(processes);
    // Without exact figures, a waiting process shows no activity: only its messages are signs of life, if it sends any.
    const cannotTell = !isKnown && (!hasChannel || this.isUnheard);
    const lives = this.hasSpoken || cannotTell || ms !== this.lastMs;
    this.hasSpoken = false;
    this.lastMs = ms;
    this.silentLooks = lives ? 0 : this.silentLooks + 1;
    if (this.isLate && lives) return this.kill('TIME');
    const silenceMs = this.isLate ? Math.min(LATE_SILENCE_MS, limits.silenceMs) : limits.silenceMs;
    if (this.silentLooks * this.lookIntervalMs >= silenceMs) this.kill('SILENCE');
  }

  private processes(pid: number): number[] {
    return this.options.watchesTree ? processTree(pid) : [pid];
  }

  /** Processor time so far, and whether it is exact. */
  private spent(processes = this.processes(this.child.pid ?? 0)): { ms: number; isKnown: boolean } {
    const times = processes.flatMap((one) => processorTime(one) ?? []);
    return {
      ms: times.reduce((sum, time) => sum + time.ms, 0),
      isKnown: times.length > 0 && times.every(({ isExact }) => isExact),
    };
  }

  /** While output is paused, the process waits as soon as it has filled its pipe. */
  pauseOutput(): void {
    this.child.stdout?.pause();
    this.child.stderr?.pause();
  }

  resumeOutput(): void {
    this.child.stdout?.resume();
    this.child.stderr?.resume();
  }

  private readOutput(stream: OutputStream, output: Readable): void {
    const { onText, limits } = this.options;
    output.setEncoding('utf8').on('data', (text: string) => {
      if (stream === 'STDERR') this.complaint = (this.complaint + text).slice(-COMPLAINT_CHARACTERS);
      this.outputBytes += text.length;
      if (this.outputBytes > (limits.outputBytes ?? MAX_OUTPUT_BYTES)) this.kill('OUTPUT');
      else onText?.(stream, text);
    });
  }

  private reasonOf(code: number | null, signal: NodeJS.Signals | null): EndReason {
    if (this.endedFor) return this.endedFor;
    if (signal === 'SIGXCPU' || this.complaint.includes(WATCHED_LIMIT.cpu)) return 'CPU';
    if (this.complaint.includes(WATCHED_LIMIT.memory)) return 'MEMORY';
    if (OUT_OF_MEMORY.test(this.complaint) && code !== 0) return 'MEMORY';
    return signal ? 'SIGNAL' : 'EXIT';
  }
}
