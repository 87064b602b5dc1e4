/**
 * One inference host, as the service sees it: a child process with an empty environment. It handles one request at a
 * time.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type ChildProgram, ChildTask, CODE_FOLDER } from '../../child-task/child-task.js';
import type { HostSettings } from './host-limits.js';
import { type Frame, HOST_WIRE, type HostReply, type HostRequest, type Outgoing, type OutgoingTensor } from './wire.js';

export interface HostProcessOptions extends Omit<HostSettings, 'parentPid'> {
  /** An existing, empty folder. */
  cwd: string;
  startTimeoutMs: number;
  /**
   * For a file that is not checked yet: no compiled JavaScript (so no writable code), Node.js's permission model, and
   * no network if this machine allows it. Triples the overhead per run.
   */
  hardened: boolean;
}

const HOST_PROGRAM: ChildProgram<Outgoing<HostRequest>, never, Frame<HostReply>> = {
  name: 'inference',
  entry: 'inference/onnx/host-main.js',
  report: z.never(),
  result: z.custom<Frame<HostReply>>((value) => isReply(value)),
  wire: HOST_WIRE,
};

const REPLIES: readonly unknown[] = ['loaded', 'inspected', 'done', 'result', 'error'];

function isReply(value: unknown): boolean {
  const { header } = value as Frame<Partial<HostReply> | null>;
  return REPLIES.includes(header?.kind);
}

/**
 * After this time without a sign of life a host is ended and replaced. Its watchdog thread is active many times in this
 * time, also during a run. On systems that do not show this, only the time limits of requests apply.
 */
const SILENCE_MS = process.platform === 'linux' ? 2_000 : Number.POSITIVE_INFINITY;
const MEBIBYTE = 1024 ** 2;
/**
 * Private writable memory that Node.js 24 maps at its start and hardly uses: 1.09 GiB, nearly all reserved for compiled
 * JavaScript, or 0.06 GiB without a compiler. The data limit counts it.
 */
const NODE_DATA_BYTES = 1280 * MEBIBYTE;
const JITLESS_NODE_DATA_BYTES = 192 * MEBIBYTE;
const MAX_OPEN_FILES = 64;

/** A process that was stopped ignores any other signal. */
const LOOK = { timeout: 2_000, killSignal: 'SIGKILL' } as const;

let networkIsolation: string[] | undefined;

/**
 * The command for a network namespace of its own: as root, or through a user namespace; empty when neither is allowed.
 */
function networkIsolationCommand(): string[] {
  if (networkIsolation) return networkIsolation;
  const candidates = [
    ['unshare', '--net'],
    ['unshare', '--map-current-user', '--net'],
  ];
  networkIsolation =
    process.platform !== 'linux'
      ? []
      : (candidates.find(([command, ...args]) => {
          try {
            execFileSync(command!, [...args, 'true'], { stdio: 'ignore', ...LOOK });
            return true;
          } catch {
            return false;
          }
        }) ?? []);
  return networkIsolation;
}

const UNICODE_LOCALE = '/usr/lib/locale/C.utf8';
let lacksEnglish: boolean | undefined;

/** Whether this machine lacks the locale that the runtime's StringNormalizer needs, as most containers do. */
function needsLocale(): boolean {
  lacksEnglish ??=
    process.platform === 'linux' &&
    existsSync(UNICODE_LOCALE) &&
    !/^en_US\.utf-?8$/im.test(spawnSync('locale', ['-a'], { encoding: 'utf8', ...LOOK }).stdout ?? '');
  return lacksEnglish;
}

/**
 * No variables of this service. When en_US.UTF-8 is not installed, the language-neutral Unicode locale is used under
 * this name.
 */
function environment(cwd: string): NodeJS.ProcessEnv {
  if (!needsLocale()) return {};
  const folder = join(cwd, 'locale');
  const link = join(folder, 'en_US.utf8');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(link)) symlinkSync(UNICODE_LOCALE, link);
  return { LOCPATH: folder };
}

/** JavaScript may read only the program. Native code, including the runtime, is not limited by this. */
function nodeFlags({ hardened, cwd }: HostProcessOptions): string[] {
  if (!hardened) return ['--no-warnings'];
  const readable = [
    cwd,
    CODE_FOLDER,
    dirname(dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))),
  ];
  return [
    '--no-warnings',
    '--jitless',
    '--permission',
    '--allow-addons',
    '--allow-worker',
    ...readable.map((folder) => `--allow-fs-read=${folder}`),
  ];
}

export class HostProcess {
  /** Rejects when the host does not start, usually with ChildLost. */
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  private readonly task: ChildTask<Outgoing<HostRequest>, never, Frame<HostReply>>;

  constructor(options: HostProcessOptions) {
    const { cwd, hardened, startTimeoutMs, ...limits } = options;
    const { maxResidentBytes, maxCpuMs, maxLoadedModels, maxLoadedBytes, maxFrameBytes } = limits;
    this.task = new ChildTask(HOST_PROGRAM, {
      cwd,
      env: environment(cwd),
      nodeOptions: nodeFlags(options),
      wrapper: hardened ? networkIsolationCommand() : [],
      // A single huge allocation fails at once; the watchdog in the host sees the rest.
      limits: {
        silenceMs: SILENCE_MS,
        dataBytes: maxResidentBytes + (hardened ? JITLESS_NODE_DATA_BYTES : NODE_DATA_BYTES),
        fileBytes: 0,
        openFiles: MAX_OPEN_FILES,
      },
      maxMessageBytes: maxFrameBytes,
      isFirstVictim: true,
      staysInGroup: true,
    });
    this.exited = this.task.closed;
    const settings: HostSettings = {
      parentPid: process.pid,
      maxResidentBytes,
      maxCpuMs,
      maxLoadedModels,
      maxLoadedBytes,
      maxFrameBytes,
    };
    this.ready = this.start(settings, startTimeoutMs);
    // The owner learns of a loss by `exited` as well.
    this.ready.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.task.pid;
  }

  /**
   * Sends a request to the host and kills it after `timeoutMs`. One request at a time. Rejects with ChildLost when the
   * host ends before it answers.
   */
  request(header: HostRequest, tensors: readonly OutgoingTensor[], timeoutMs: number): Promise<Frame<HostReply>> {
    return this.task.ask({ header, tensors }, { timeLimitMs: timeoutMs });
  }

  kill(): void {
    this.task.kill();
  }

  private async start(settings: HostSettings, timeoutMs: number): Promise<void> {
    try {
      await this.request({ kind: 'start', settings }, [], timeoutMs);
    } catch (error) {
      this.kill();
      throw error;
    }
  }
}
