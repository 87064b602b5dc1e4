import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TypedDocument } from '../../schema/typed-document.ts';
import { onInterruption } from './interruption.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface Service {
  url: string;
  graphqlUrl: string;
  wsUrl: string;
  /** Of all gRPC protocols, e.g. `127.0.0.1:8001`. */
  grpcAddress: string;
  token: string;
  pid: number;
  /** Milliseconds from the start of the process to its line that says it is ready. */
  readyMs: number;
  /** GraphQL over HTTP; throws when the answer has an error. */
  send<Answer, Variables>(document: TypedDocument<Answer, Variables>, variables: Variables): Promise<Answer>;
  /** The superuser's URL of its embedded database. */
  databaseUrl(): Promise<string>;
  /** The value of one line of /metrics. */
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

export interface ServiceOptions {
  settings?: Record<string, string>;
  /** Flags of Node for the service's process. */
  execArgv?: string[];
}

/** Calls `work` with a data folder, which is removed when `work` ends. */
export async function withDataDir<T>(work: (dataDir: string) => Promise<T>): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), 'matih-bench-'));
  // If root runs this, the database runs as another user, who must be able to enter the folder.
  await chmod(dataDir, 0o755);
  const remove = () => rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  onInterruption(remove);
  try {
    return await work(dataDir);
  } finally {
    await remove();
  }
}

/** The real service in its own process, with its embedded database in `dataDir`. */
export async function startService(
  dataDir: string,
  { settings = {}, execArgv = [] }: ServiceOptions = {},
): Promise<Service> {
  const started = performance.now();
  const child = spawn(process.execPath, [...execArgv, MAIN, '--json'], {
    env: { ...process.env, PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onInterruption(() => stopChild(child));
  const line = await firstLine(child);
  const readyMs = performance.now() - started;
  const ready = JSON.parse(line) as Pick<Service, 'url' | 'graphqlUrl' | 'wsUrl' | 'grpcAddress' | 'token'>;
  return {
    ...ready,
    pid: child.pid ?? 0,
    readyMs,
    send: async <Answer, Variables>(document: TypedDocument<Answer, Variables>, variables: Variables) => {
      const response = await fetch(ready.graphqlUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${ready.token}` },
        body: JSON.stringify({ query: document.toString(), variables }),
      });
      const { data, errors } = (await response.json()) as { data: Answer; errors?: { message: string }[] };
      if (errors) throw new Error(errors.map((error) => error.message).join('; '));
      return data;
    },
    databaseUrl: async () => {
      const { password, port } = JSON.parse(await readFile(join(dataDir, 'postgres', 'connection.json'), 'utf8')) as {
        password: string;
        port: number;
      };
      return `postgresql://matih:${password}@127.0.0.1:${port}/matih`;
    },
    metric: async (name) => {
      const text = await (await fetch(`${ready.url}/metrics`)).text();
      const found = text.split('\n').find((row) => row.startsWith(`${name} `) || row.startsWith(`${name}{`));
      return Number(found?.split(' ').at(-1));
    },
    stop: () => stopChild(child),
  };
}

/** Starts a server of the benchmark, the peer with which the service is compared; it reports with its first line. */
export async function startPeer<T>(
  script: URL,
  args: string[] = [],
): Promise<{ ready: T; pid: number; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [fileURLToPath(script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  onInterruption(() => stopChild(child));
  return { ready: JSON.parse(await firstLine(child)) as T, pid: child.pid ?? 0, stop: () => stopChild(child) };
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the child has no output');
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`the process ended with code ${String(code)} before it was ready`)),
  );
  const [line] = await Promise.race([once(lines, 'line'), ended]);
  return String(line);
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
