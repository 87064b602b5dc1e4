/**
 * One inference host, as the service sees it: a child process with an empty environment. It handles one request at a
 * time.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CPU_MARK, MEMORY_MARK, type HostSettings } from './host-limits.js';
import { encodeFrame, FrameReader, type Frame, type HostReply, type HostRequest, type OutgoingTensor } from './wire.js';

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

type HostLossReason = 'TIMEOUT' | 'CPU' | 'MEMORY' | 'CRASH' | 'CLOSED';

/** The host ended before it answered. */
export class HostLost extends Error {
  constructor(
    readonly reason: HostLossReason,
    detail: string,
  ) {
    super(detail);
  }
}

type RequestBody = HostRequest extends infer Request
  ? Request extends HostRequest
    ? Omit<Request, 'id'>
    : never
  : never;

interface Waiting {
  id: number;
  resolve(frame: Frame<HostReply>): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

const KIBIBYTE = 1024;
/**
 * Private writable memory that Node.js 24 maps at its start and hardly uses: 1.09 GiB, nearly all reserved for compiled
 * JavaScript, or 0.06 GiB without a compiler. The data limit counts it.
 */
const NODE_DATA_BYTES = 1280 * KIBIBYTE ** 2;
const JITLESS_NODE_DATA_BYTES = 192 * KIBIBYTE ** 2;
const MAX_OPEN_FILES = 64;
const STDERR_KEPT_CHARS = 2000;
const HEAP_EXHAUSTED = /heap out of memory|Fatal process out of memory|bad_alloc|failed to reserve/i;

/**
 * Limits that the shell sets before it becomes the host: data segment (a single huge allocation fails at once), no
 * written files, no core dump. When the system has too little memory, it ends a host first.
 */
const SHELL_LIMITS =
  'echo 1000 2>/dev/null >/proc/self/oom_score_adj; ulimit -c 0; ulimit -f 0; ulimit -n "$1"; ulimit -d "$2" ' +
  '2>/dev/null; shift 2; exec "$@"';

/** Under a test runner this file is the TypeScript source; a host always runs the compiled one. */
function entryPath(): string {
  const relative = import.meta.url.endsWith('.ts') ? '../../../dist/inference/onnx/host-main.js' : './host-main.js';
  return fileURLToPath(new URL(relative, import.meta.url));
}

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
            execFileSync(command!, [...args, 'true'], { stdio: 'ignore', timeout: 2000 });
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
    !/^en_US\.utf-?8$/im.test(spawnSync('locale', ['-a'], { encoding: 'utf8', timeout: 2000 }).stdout ?? '');
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
    dirname(dirname(dirname(entryPath()))),
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

function commandLine(options: HostProcessOptions): string[] {
  const { maxResidentBytes, maxCpuMs, maxLoadedModels, maxLoadedBytes, maxFrameBytes } = options;
  const settings: HostSettings = {
    parentPid: process.pid,
    maxResidentBytes,
    maxCpuMs,
    maxLoadedModels,
    maxLoadedBytes,
    maxFrameBytes,
  };
  const node = [process.execPath, ...nodeFlags(options), entryPath(), JSON.stringify(settings)];
  if (process.platform === 'win32') return node;
  const isolation = options.hardened ? networkIsolationCommand() : [];
  const dataKibibytes = Math.ceil(
    (maxResidentBytes + (options.hardened ? JITLESS_NODE_DATA_BYTES : NODE_DATA_BYTES)) / KIBIBYTE,
  );
  return [...isolation, '/bin/sh', '-c', SHELL_LIMITS, 'sh', String(MAX_OPEN_FILES), String(dataKibibytes), ...node];
}

export class HostProcess {
  /** Rejects with HostLost when the host does not start. */
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  private readonly child: ChildProcess;
  private readonly channel: Socket;
  private waiting: Waiting | undefined;
  private lastId = 0;
  private stderr = '';
  private killedFor: HostLossReason | undefined;
  private lost: HostLost | undefined;

  constructor(options: HostProcessOptions) {
    const [command, ...args] = commandLine(options);
    this.child = spawn(command!, args, {
      cwd: options.cwd,
      env: environment(options.cwd),
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    this.channel = this.child.stdio[3] as Socket;
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_KEPT_CHARS);
    });
    // An error here means that the host has ended, which 'close' reports.
    this.channel.on('error', () => undefined);
    const reader = new FrameReader<HostReply>(options.maxFrameBytes, (frame) => this.answer(frame));
    this.channel.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch {
        this.kill('CRASH');
      }
    });
    this.exited = new Promise((resolve) => {
      this.child.once('error', (error) => this.onEnd(`could not start: ${error.message}`, resolve));
      this.child.once('close', (code, signal) => this.onEnd(`ended with ${signal ?? `code ${code}`}`, resolve));
    });
    this.ready = new Promise<void>((resolve, reject) => {
      this.expect(0, options.startTimeoutMs, () => resolve(), reject);
    });
    // The owner learns of a loss by `exited` as well.
    this.ready.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /**
   * Sends a request to the host and kills it after `timeoutMs`. One request at a time. Rejects with HostLost when the
   * host ends before it answers.
   */
  request(body: RequestBody, tensors: readonly OutgoingTensor[], timeoutMs: number): Promise<Frame<HostReply>> {
    if (this.lost) return Promise.reject(this.lost);
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.expect(id, timeoutMs, resolve, reject);
      this.channel.write(encodeFrame({ ...body, id }, tensors));
    });
  }

  kill(reason: HostLossReason = 'CLOSED'): void {
    this.killedFor ??= reason;
    this.child.kill('SIGKILL');
  }

  private expect(id: number, timeoutMs: number, resolve: Waiting['resolve'], reject: Waiting['reject']): void {
    if (this.waiting) throw new Error('An inference host is asked one thing at a time.');
    this.waiting = { id, resolve, reject, timer: setTimeout(() => this.kill('TIMEOUT'), timeoutMs) };
  }

  private answer(frame: Frame<HostReply>): void {
    const { waiting } = this;
    // An answer that arrives after the kill does not count.
    if (!waiting || waiting.id !== frame.header.id || this.killedFor) return;
    clearTimeout(waiting.timer);
    this.waiting = undefined;
    waiting.resolve(frame);
  }

  private onEnd(what: string, resolve: () => void): void {
    const outOfMemory = this.stderr.includes(MEMORY_MARK) || HEAP_EXHAUSTED.test(this.stderr);
    const outOfTime = this.stderr.includes(CPU_MARK);
    const reason = outOfMemory ? 'MEMORY' : outOfTime ? 'CPU' : (this.killedFor ?? 'CRASH');
    const lines = this.stderr.trim().split('\n');
    const telling = lines.find((line) => line.includes('Error')) ?? lines.at(-1);
    this.lost ??= new HostLost(reason, telling ? `${what}: ${telling}` : what);
    if (this.waiting) {
      clearTimeout(this.waiting.timer);
      this.waiting.reject(this.lost);
      this.waiting = undefined;
    }
    this.channel.destroy();
    resolve();
  }
}
