import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { onInterruption } from './interruption.ts';
import { pythonWith } from './python.ts';
import { startService, withDataDir, type Service } from './service.ts';

const REQUIREMENTS = ['mlflow==3.17.2', 'psycopg2-binary==2.9.13'];
const WORKERS = 4;
const STARTS_WITHIN_MS = 120_000;

/** MLflow's REST protocol, on this service or on MLflow's own server. */
export interface Tracker {
  name: string;
  pid: number;
  post<T>(path: string, body: object): Promise<T>;
  /** The same, with the time from the call to the last byte of the answer, before the client parses it as JSON. */
  timedPost<T>(path: string, body: object): Promise<Timed<T>>;
  get<T>(path: string, query: Record<string, string>): Promise<T>;
}

interface Timed<T> {
  ms: number;
  answer: T;
}

interface MlflowServer extends Tracker {
  url: string;
  /** Its own database, on the PostgreSQL of this service. */
  databaseUrl: string;
  stop(): Promise<void>;
}

/** The Python of MLFLOW_PYTHON, or of a virtual environment with MLflow from PyPI that is created once. */
async function python(): Promise<string> {
  return process.env['MLFLOW_PYTHON'] || (await pythonWith('mlflow-server', REQUIREMENTS));
}

export interface Servers {
  service: Service;
  /** This service, called as MLflow's clients call it. */
  ours: Tracker;
  mlflow: MlflowServer;
}

/**
 * Starts this service and MLflow's own server on one PostgreSQL, both new and empty; ends them after `work`, whatever
 * happens.
 */
export async function withMlflow(work: (servers: Servers) => Promise<void>): Promise<void> {
  await withDataDir(async (dataDir) => {
    const service = await startService(dataDir);
    try {
      const mlflow = await startMlflow(service, dataDir);
      try {
        await work({ service, ours: asTracker(service), mlflow });
      } finally {
        await mlflow.stop();
      }
    } finally {
      await service.stop();
    }
  });
}

/** Starts `mlflow server` with four workers, its default, on a new database beside the service's. */
async function startMlflow(service: Service, dataDir: string): Promise<MlflowServer> {
  const program = await python();
  const databaseUrl = await createDatabase(await service.databaseUrl());
  // Names the driver, because SQLAlchemy's default changes with its release.
  const storeUri = databaseUrl.replace('postgresql:', 'postgresql+psycopg2:');
  const port = await freePort();
  const folder = join(dataDir, 'mlflow');
  await mkdir(folder);
  await writeFile(join(folder, 'log'), '');
  const args = [
    '-m',
    'mlflow',
    'server',
    '--backend-store-uri',
    storeUri,
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
  ];
  const child = spawn(
    program,
    [...args, '--workers', String(WORKERS), '--artifacts-destination', join(folder, 'artifacts')],
    {
      cwd: folder,
      env: {
        ...process.env,
        MLFLOW_DISABLE_TELEMETRY: 'true',
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
        // Its default is 15 connections, and clients of a benchmark would wait for one until they are refused.
        MLFLOW_SQLALCHEMYSTORE_POOL_SIZE: '20',
        MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW: '20',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
      // In its own process group, so that its workers end with it.
      detached: true,
    },
  );
  onInterruption(() => stopGroup(child));
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
  const url = `http://127.0.0.1:${port}`;
  try {
    await ready(url, child);
  } catch (error) {
    await stopGroup(child);
    throw new Error(`mlflow server did not start: ${output}`, { cause: error });
  }
  return {
    ...tracker('mlflow', url, {}, child.pid ?? 0),
    url,
    databaseUrl,
    stop: async () => {
      await stopGroup(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type ArtifactCommand = { do: 'up'; folder: string; files: number; bytes: number } | { do: 'down'; folder: string };

/** Runs a command and returns how many milliseconds it took. */
export type ArtifactClient = (command: ArtifactCommand) => Promise<number>;

/** Runs MLflow's Python client in its own process; `env` tells it where its server is. */
export async function artifactClient(
  env: Record<string, string>,
  work: (client: ArtifactClient) => Promise<void>,
): Promise<void> {
  const child = spawn(await python(), [fileURLToPath(new URL('artifact-client.py', import.meta.url))], {
    env: { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  onInterruption(() => stopGroup(child));
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  try {
    await work(async (command) => {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      const answer = await answers.next();
      if (answer.done) throw new Error("MLflow's client ended before its answer");
      return Number(answer.value);
    });
  } finally {
    await stopGroup(child);
  }
}

/** This service as a tracker. */
function asTracker(service: Service): Tracker {
  return tracker('service', service.url, { authorization: `Bearer ${service.token}` }, service.pid);
}

function tracker(name: string, url: string, headers: Record<string, string>, pid: number): Tracker {
  // Node's plain HTTP client: fetch itself takes half a millisecond for an answer of 80 kB.
  const agent = new Agent({ keepAlive: true });
  const call = async <T>(
    method: string,
    path: string,
    sent: Record<string, string>,
    body?: string,
  ): Promise<Timed<T>> => {
    const started = performance.now();
    const outgoing = request(`${url}/${path}`, { method, agent, headers: { ...headers, ...sent } }).end(body);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const received = await buffer(response);
    const ms = performance.now() - started;
    if (response.statusCode !== 200)
      throw new Error(`${name} answers ${path} with ${response.statusCode}: ${received.toString().slice(0, 500)}`);
    return { ms, answer: JSON.parse(received.toString()) as T };
  };
  const timedPost = <T>(path: string, body: object) =>
    call<T>('POST', `api/2.0/mlflow/${path}`, { 'content-type': 'application/json' }, JSON.stringify(body));
  return {
    name,
    pid,
    timedPost,
    post: async <T>(path: string, body: object) => (await timedPost<T>(path, body)).answer,
    get: async <T>(path: string, query: Record<string, string>) =>
      (await call<T>('GET', `${path}?${new URLSearchParams(query)}`, {})).answer,
  };
}

async function createDatabase(beside: string): Promise<string> {
  const client = new pg.Client({ connectionString: beside });
  await client.connect();
  await client.query('create database mlflow');
  await client.end();
  return Object.assign(new URL(beside), { pathname: '/mlflow' }).href;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  const until = Date.now() + STARTS_WITHIN_MS;
  for (;;) {
    const isUp = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return;
    if (child.exitCode !== null || Date.now() > until) throw new Error('no answer from /health');
    await wait(200);
  }
}

async function stopGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(-child.pid, 'SIGTERM');
  await Promise.race([ended, wait(10_000)]);
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of them have ended.
  }
}

/** Resident memory of a process and all processes that it started, except those of PostgreSQL, in MiB. */
export function memoryMib(pid: number): number {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = readProc(`/proc/${entry}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const resident = (one: number): number => {
    const status = readProc(`/proc/${one}/status`);
    if (/^Name:\s+postgres$/m.test(status)) return 0;
    const own = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    return (children.get(one) ?? []).reduce((sum, child) => sum + resident(child), own);
  };
  return resident(pid) / 1024;
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
