import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'vitest';
import { engine } from '../engines.js';

const STARTS_WITHIN_MS = 90_000;

/** `mlflow server` from PyPI with its own database and folder; its data survives its process. */
export class RealMlflow {
  private child: ReturnType<typeof spawn> | null = null;

  private constructor(
    readonly url: string,
    private readonly folder: string,
    private readonly store: string,
  ) {}

  /** `store` is the SQLAlchemy URL of an empty database; a SQLite file when none is given. */
  static async start(store?: string): Promise<RealMlflow> {
    const folder = await mkdtemp(join(tmpdir(), 'matih-real-mlflow-'));
    const mlflow = new RealMlflow(
      `http://127.0.0.1:${await freePort()}`,
      folder,
      store ?? `sqlite:///${folder}/mlflow.db`,
    );
    await mlflow.begin();
    return mlflow;
  }

  async begin(): Promise<void> {
    const { port } = new URL(this.url);
    const args = ['-m', 'mlflow', 'server', '--backend-store-uri', this.store, '--workers', '1'];
    const child = spawn(
      engine('MATIH_PYTHON'),
      [...args, '--host', '127.0.0.1', '--port', port, '--artifacts-destination', join(this.folder, 'artifacts')],
      {
        cwd: this.folder,
        env: {
          PATH: process.env['PATH'],
          HOME: this.folder,
          MLFLOW_DISABLE_TELEMETRY: 'true',
          MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
        },
        stdio: ['ignore', 'ignore', 'pipe'],
        // In its own process group, so that its workers end with it.
        detached: true,
      },
    );
    this.child = child;
    let output = '';
    child.stderr?.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
    for (const deadline = Date.now() + STARTS_WITHIN_MS; ; await wait(200)) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`mlflow server did not start: ${output}`);
      const answer = await fetch(`${this.url}/health`).catch(() => null);
      if (answer?.ok) return;
    }
  }

  /** Kills its processes; `begin` starts it again with its data. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    process.kill(-child.pid, 'SIGKILL');
    await exited;
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  async post<T = Record<string, unknown>>(path: string, body: object): Promise<T> {
    return this.answer<T>(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  async get<T = Record<string, unknown>>(path: string, query: Record<string, string>): Promise<T> {
    return this.answer<T>(`${path}?${new URLSearchParams(query)}`, {});
  }

  private async answer<T>(path: string, request: RequestInit): Promise<T> {
    const response = await fetch(`${this.url}/api/2.0/mlflow/${path}`, request);
    const body = await response.json();
    expect(response.status, `${path}: ${JSON.stringify(body)}`).toBe(200);
    return body as T;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}
