import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createDatabaseFromTemplate, type TestDatabase } from './database.js';
import { engineSettings } from './engine-settings.js';
import { Caller, type CallerOptions, SECRET, tokenFor } from './service.js';
import { vegaPath } from './training.js';

export interface LogLine {
  msg: string;
  jobId?: string;
  attempt?: number;
  [key: string]: unknown;
}

/** A separate process of the service, as `npm start` would run it. */
export class ServiceProcess {
  readonly log: LogLine[] = [];

  private constructor(
    readonly child: ChildProcess,
    /** Empty for a worker. */
    readonly url: string,
  ) {}

  /** Resolves when the process says that it is ready. */
  static async start(env: Record<string, string>): Promise<ServiceProcess> {
    const child = spawn(process.execPath, ['dist/main.js', '--json'], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: string[] = [];
    const lines = createInterface({ input: child.stderr });
    lines.on('line', (line) => said.push(line));
    const ready = once(createInterface({ input: child.stdout }), 'line').then(
      ([line]) => JSON.parse(String(line)) as { url?: string },
    );
    const ended = once(child, 'exit').then(() =>
      Promise.reject<{ url?: string }>(new Error(`The process ended at its start: ${said.join('\n')}`)),
    );
    const { url } = await Promise.race([ready, ended]);
    // From now on the test itself causes the end.
    ended.catch(() => undefined);
    const service = new ServiceProcess(child, url ?? '');
    const keep = (line: string) =>
      service.log.push(line.startsWith('{') ? (JSON.parse(line) as LogLine) : { msg: line });
    said.forEach(keep);
    lines.removeAllListeners('line').on('line', keep);
    return service;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it with a signal and returns the exit code, null when the signal killed it. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    const [code] = await exited;
    return code as number | null;
  }
}

/** Processes of one service: they share a database and a folder. */
export class ServiceGroup {
  private readonly processes: ServiceProcess[] = [];
  private readonly engines = engineSettings();

  private constructor(
    readonly database: TestDatabase,
    readonly dataDir: string,
  ) {}

  static async create(): Promise<ServiceGroup> {
    return new ServiceGroup(await createDatabaseFromTemplate(), await mkdtemp(join(tmpdir(), 'matih-processes-')));
  }

  async start(role: 'api' | 'worker', settings: Record<string, string> = {}): Promise<ServiceProcess> {
    const service = await ServiceProcess.start({
      ROLE: role,
      PORT: '0',
      GRPC_PORT: '0',
      DATA_DIR: this.dataDir,
      DATABASE_URL: this.database.url,
      DATABASE_POOL_SIZE: '6',
      AUTH_JWT_SECRET: SECRET,
      INFERENCE_HOSTS: '1',
      // Tests count the points of a training.
      SYSTEM_METRICS_INTERVAL_MS: '0',
      RECONCILE_INTERVAL_MS: '300',
      JOB_HEARTBEAT_TIMEOUT_MS: '2000',
      DATASET_DIRS: vegaPath(''),
      ...this.engines,
      ...settings,
    });
    this.processes.push(service);
    return service;
  }

  /** A client of one of the API processes. */
  async as(api: ServiceProcess, options: CallerOptions = {}): Promise<Caller> {
    return new Caller(api.url, await tokenFor(options));
  }

  async close(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.end()));
    await this.database.drop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
