import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, ErrorCode } from '../errors.js';
import { launchAs, type Binaries } from './embedded-binaries.js';
import {
  initialiseCluster,
  needsInit,
  processIdentity,
  readConnection,
  unavailable,
  writeConnection,
  type Folder,
} from './embedded-folder.js';

export interface EmbeddedLog {
  info(message: string): void;
  warn(message: string): void;
}

export interface EmbeddedOptions {
  /** The service's data folder; the database is in its subfolder `postgres`. */
  dataDir: string;
  /** A TCP port on 127.0.0.1. When absent: the last one used, or any free one. */
  port?: number;
  log: EmbeddedLog;
  /** PostgreSQL settings that replace the defaults. Tests turn `fsync` off. */
  settings?: Record<string, string>;
}

/** The superuser of the embedded database; it runs the migrations. */
export const SUPERUSER = 'matih';
const READY_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 30_000;
const WATCH_INTERVAL_MS = 250;
const LOG_LIMIT_BYTES = 4 * 1024 * 1024;

const SETTINGS: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: sharedBuffers(),
  jit: 'off',
  timezone: 'UTC',
  // Clients get their own errors. The log contains only events of the server, and so stays small.
  log_min_messages: 'log',
  log_checkpoints: 'off',
};

/**
 * A sixteenth of the memory that this process may use, from 128 MiB to 1 GiB: the data that searches read should fit in
 * it. Memory is taken only as it is used.
 */
function sharedBuffers(): string {
  const memoryMib = Math.min(totalmem(), process.constrainedMemory() || Infinity) / 1024 ** 2;
  return `${Math.round(Math.min(1024, Math.max(128, memoryMib / 16)))}MB`;
}

interface Running {
  pid: number;
  identity: string;
  port: number;
}

/** One PostgreSQL server with one folder: creates, starts, adopts, restarts and stops it. */
export class EmbeddedServer {
  private running: Running | null = null;
  private stopping = false;
  private watcher: NodeJS.Timeout | null = null;
  private reviving: Promise<void> = Promise.resolve();

  constructor(
    private readonly folder: Folder,
    private readonly binaries: Binaries,
    private readonly options: EmbeddedOptions,
  ) {}

  async start(): Promise<number> {
    if (await needsInit(this.folder)) await this.initialise();
    this.running = (await this.adopt()) ?? (await this.launchOnFreePort());
    const connection = await readConnection(this.folder);
    if (connection.port !== this.running.port)
      await writeConnection(this.folder, { ...connection, port: this.running.port });
    this.watch();
    return this.running.port;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.watcher) clearInterval(this.watcher);
    await this.reviving;
    if (this.running) await endProcess(this.running);
    this.running = null;
  }

  private async initialise(): Promise<void> {
    this.options.log.info(`Creating the embedded database in ${this.folder.cluster} (once, a few seconds).`);
    const isDurable = this.options.settings?.fsync !== 'off';
    await initialiseCluster(this.folder, async (target, passwordFile) => {
      const args = [
        '-D',
        target,
        '-U',
        SUPERUSER,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
      ];
      // The built-in locale sorts by code point: the same on every machine, and fastest.
      args.push(
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        ...(isDurable ? [] : ['--no-sync']),
      );
      const launch = launchAs(this.folder.user, this.binaries.initdb, args);
      const child = spawn(launch.command, launch.args, { ...launch.options, stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const code = await new Promise<number | null>((resolve, reject) =>
        child.once('error', reject).once('close', resolve),
      );
      if (code !== 0) throw this.fault(output, `initdb ended with code ${code}`);
    });
  }

  /**
   * A server that is still running after its owner has ended keeps its port and its other clients, unless another port
   * is requested.
   */
  private async adopt(): Promise<Running | null> {
    const left = readPidFile(this.folder);
    const identity = left && processIdentity(left.pid);
    if (!left || !identity || !isServerOf(left.pid, this.folder)) return null;
    const running = { pid: left.pid, identity, port: left.port };
    if (this.options.port && this.options.port !== left.port) {
      this.options.log.warn(`Stopping the database that a killed process left on port ${left.port}.`);
      await endProcess(running);
      return null;
    }
    this.options.log.warn(
      `Taking over the database that a killed process left running (process ${left.pid}, port ${left.port}).`,
    );
    await this.ready(running, () => '');
    return running;
  }

  /**
   * The PID file of an ended server can name a process that exists: a zombie or, after a reboot, another program.
   * PostgreSQL would then refuse to start, unless that process is its own parent, so the id of this process is written
   * there. The file must stay: with its last lines, PostgreSQL finds backends that still run without their server.
   */
  private async disownPidFile(): Promise<void> {
    const path = pidFile(this.folder);
    if (existsSync(path)) await writeFile(path, (await readFile(path, 'utf8')).replace(/^\d+/, String(process.pid)));
  }

  private async launchOnFreePort(): Promise<Running> {
    const wanted = this.options.port;
    if (wanted) {
      if (!(await tryPort(wanted))) throw portBusy(wanted);
      return this.launchPatiently(wanted);
    }
    const { port: last } = await readConnection(this.folder);
    const port = (last && (await tryPort(last))) || (await tryPort(0));
    if (!port) throw unavailable('No TCP port of 127.0.0.1 is free for the embedded database.');
    return this.launchPatiently(port);
  }

  /** Backends of a killed server take a moment to end; until then PostgreSQL refuses to start. */
  private async launchPatiently(port: number): Promise<Running> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.launch(port);
      } catch (error) {
        const isPassing = error instanceof AppError && /still in use|already exists/.test(error.message);
        if (!isPassing || attempt >= 50) throw error;
        await sleep(200);
      }
    }
  }

  private async launch(port: number): Promise<Running> {
    await this.disownPidFile();
    const settings = Object.entries({ ...SETTINGS, ...this.options.settings }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    const launch = launchAs(this.folder.user, this.binaries.postgres, [
      '-D',
      this.folder.cluster,
      '-p',
      String(port),
      ...settings,
    ]);
    const size = await stat(this.folder.log).then(
      (found) => found.size,
      () => 0,
    );
    if (size > LOG_LIMIT_BYTES) await rename(this.folder.log, `${this.folder.log}.1`);
    const log = await open(this.folder.log, 'a', 0o600);
    const from = (await log.stat()).size;
    try {
      // Its own session: Ctrl-C in the terminal must reach only this process, which needs the database to drain.
      const child = spawn(launch.command, launch.args, {
        ...launch.options,
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      });
      await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
      child.unref();
      const pid = child.pid ?? 0;
      const running = { pid, identity: processIdentity(pid) ?? '', port };
      await this.ready(running, () => readFileSync(this.folder.log).subarray(from).toString());
      return running;
    } finally {
      await log.close();
    }
  }

  /** Waits until the server's PID file says that it accepts connections; after a crash it recovers first. */
  private async ready(running: Running, logSince: () => string): Promise<void> {
    const deadlineMs = Date.now() + READY_TIMEOUT_MS;
    for (let waits = 1; Date.now() < deadlineMs; waits++) {
      const now = readPidFile(this.folder);
      if (now?.pid === running.pid && now.isReady) return;
      if (processIdentity(running.pid) !== running.identity)
        throw this.fault(logSince(), 'the server ended at its start');
      if (waits % 500 === 0) this.options.log.info('Waiting for the embedded database to recover.');
      await sleep(10);
    }
    throw unavailable(
      `The database in ${this.folder.cluster} was not ready after ${READY_TIMEOUT_MS / 1000} s; see ` +
        `${this.folder.log}.`,
    );
  }

  /** Explains PostgreSQL's own output in one sentence. */
  private fault(output: string, otherwise: string): AppError {
    const { dataDir, log } = this.folder;
    const bind = /could not bind .*port|could not bind IPv4 address "[^"]*": Address already in use/i.test(output);
    if (bind) return portBusy(Number(/port (\d+)/.exec(output)?.[1] ?? this.options.port ?? 0));
    if (/no space left on device|disk quota exceeded|wrote only \d+ of \d+ bytes/i.test(output)) {
      return unavailable(
        `The disk of the data folder ${dataDir} is full: free some space or set DATA_DIR to another disk.`,
      );
    }
    if (/setpriv:/.test(output) || (this.folder.user.needsPassage && /permission denied/i.test(output))) {
      const message =
        `The user "postgres" cannot pass the folders above ${dataDir} or this checkout: open them with chmod ` +
        'o+x, run as an ordinary user, or set DATABASE_URL.';
      return unavailable(message);
    }
    if (/permission denied|read-only file system/i.test(output))
      return unavailable(`PostgreSQL may not write in the data folder ${dataDir}: set DATA_DIR.`);
    const reason = /(?:FATAL|PANIC|initdb: error): *(.*)/.exec(output)?.[1] ?? otherwise;
    return unavailable(`The embedded database in ${dataDir} cannot start: ${reason} (more in ${log}).`);
  }

  private watch(): void {
    let isBusy = false;
    this.watcher = setInterval(() => {
      const { running } = this;
      if (isBusy || !running || processIdentity(running.pid) === running.identity) return;
      isBusy = true;
      this.reviving = this.revive(running.port).finally(() => (isBusy = false));
    }, WATCH_INTERVAL_MS);
    this.watcher.unref();
  }

  private async revive(port: number): Promise<void> {
    this.running = null;
    this.options.log.warn('The embedded database ended unexpectedly and is being restarted.');
    for (let waitMs = 100; !this.stopping; waitMs = Math.min(waitMs * 2, 5_000)) {
      try {
        this.running = await this.launchPatiently(port);
        this.options.log.info(`The embedded database is back on port ${port}.`);
        return;
      } catch (error) {
        this.options.log.warn(error instanceof Error ? error.message : String(error));
        await sleep(waitMs);
      }
    }
  }
}

function pidFile(folder: Folder): string {
  return join(folder.cluster, 'postmaster.pid');
}

function readPidFile(folder: Folder): { pid: number; port: number; isReady: boolean } | null {
  if (!existsSync(pidFile(folder))) return null;
  const lines = readFileSync(pidFile(folder), 'utf8').split('\n');
  return { pid: Number(lines[0]), port: Number(lines[3]), isReady: lines[7]?.trim() === 'ready' };
}

function isServerOf(pid: number, folder: Folder): boolean {
  const command = existsSync('/proc/self/cmdline')
    ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ')
    : spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout;
  return command.includes('postgres') && command.includes(folder.cluster);
}

/** A fast shutdown, and an immediate one (with recovery at the next start) when that takes too long. */
async function endProcess({ pid, identity }: Running): Promise<void> {
  const isAlive = () => processIdentity(pid) === identity;
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (isAlive()) process.kill(pid, signal);
    for (const deadlineMs = Date.now() + STOP_TIMEOUT_MS; isAlive() && Date.now() < deadlineMs;) await sleep(10);
  }
}

function portBusy(port: number): AppError {
  return new AppError(
    ErrorCode.UNAVAILABLE,
    `Port ${port} of 127.0.0.1, wanted for the embedded database, is used by another program: choose another.`,
  );
}

/** Listens for a moment. Returns the port, or null when it is in use. */
async function tryPort(port: number): Promise<number | null> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(null) : reject(error),
    );
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : null));
    });
  });
}
