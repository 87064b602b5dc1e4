import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_MS = 150_000;
/** A node that is still starting under load is given up by Ray itself. */
const STARTS = 2;

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('A server without a port.');
  return address.port;
}

export interface Ports {
  gcs: number;
  dashboard: number;
  client: number;
  agentListen: number;
  agentGrpc: number;
  serve: number;
}

export interface RayPlace {
  python: string;
  ports: Ports;
  /** A short path, because it holds Unix sockets. */
  folder: string;
}

/**
 * The processes of a real head of Ray with token authentication, on ports of its own. Benchmarks use it too, without a
 * build.
 */
export class RayProcesses {
  readonly token = randomBytes(24).toString('hex');
  private readonly python: string;
  private readonly ports: Ports;
  private readonly folder: string;
  private child: ChildProcess | undefined;
  private said = '';

  constructor({ python, ports, folder }: RayPlace) {
    this.python = python;
    this.ports = ports;
    this.folder = folder;
  }

  /** `python`: that of the environment of scripts/python-ray.mjs. */
  static async place(python: string): Promise<RayPlace> {
    const [gcs = 0, dashboard = 0, client = 0, agentListen = 0, agentGrpc = 0, serve = 0] = await Promise.all(
      Array.from({ length: 6 }, freePort),
    );
    const folder = await mkdtemp(join(tmpdir(), 'ray-'));
    return { python, folder, ports: { gcs, dashboard, client, agentListen, agentGrpc, serve } };
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports.dashboard}`;
  }

  /** Where Ray Serve listens, once it runs. */
  get serveUrl(): string {
    return `http://127.0.0.1:${this.ports.serve}`;
  }

  /** Settings of a service that trains on it; `publicPort` is where the service listens. */
  settings(publicPort: number): Record<string, string> {
    return {
      // The address for Ray's own client: it only says the host here.
      RAY_ADDRESS: `ray://127.0.0.1:${this.ports.client}`,
      RAY_DASHBOARD_URL: this.url,
      RAY_AUTH_TOKEN: this.token,
      PORT: String(publicPort),
      PUBLIC_URL: `http://127.0.0.1:${publicPort}`,
    };
  }

  /** Starts it on the same ports; it knows nothing of what it knew before. */
  async begin(): Promise<void> {
    for (let starts = 1; ; starts++) {
      try {
        return await this.beginOnce();
      } catch (error) {
        await this.kill();
        if (starts === STARTS) throw error;
      }
    }
  }

  /** The ids of its processes by a part of their command line. */
  async pids(part: string): Promise<number[]> {
    const own: number[] = [];
    for (const { pid, command } of await this.processes()) if (command.includes(part)) own.push(pid);
    return own;
  }

  /** Kills the head with all of its processes at once, but not the programs of its jobs. */
  async killHead(): Promise<void> {
    const { child } = this;
    if (child?.pid === undefined) return;
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : Promise.resolve();
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group has ended already.
    }
    await ended;
    this.child = undefined;
  }

  async kill(): Promise<void> {
    await this.killHead();
    // The programs of jobs live in sessions of their own.
    for (const { pid } of await this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async beginOnce(): Promise<void> {
    const bin = dirname(this.python);
    const { gcs, dashboard, client, agentListen, agentGrpc } = this.ports;
    const args = [
      ...['start', '--head', '--block', '--num-cpus=2', '--object-store-memory=200000000', '--disable-usage-stats'],
      ...[`--port=${gcs}`, '--dashboard-host=127.0.0.1', `--dashboard-port=${dashboard}`],
      ...[`--ray-client-server-port=${client}`, `--dashboard-agent-listen-port=${agentListen}`],
      ...[`--dashboard-agent-grpc-port=${agentGrpc}`, `--temp-dir=${this.folder}`],
    ];
    this.said = '';
    const child = spawn(join(bin, 'ray'), args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PATH: `${bin}:${process.env['PATH'] ?? ''}`,
        RAY_AUTH_MODE: 'token',
        RAY_AUTH_TOKEN: this.token,
        RAY_USAGE_STATS_ENABLED: '0',
      },
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.said = `${this.said}${chunk.toString()}`.slice(-4_000)));
    for (const deadline = Date.now() + START_MS; Date.now() < deadline; await sleep(500)) {
      if (child.exitCode !== null) break;
      if (await this.isReady()) return;
    }
    throw new Error(`Ray did not start: ${this.said.trim()}`);
  }

  private async isReady(): Promise<boolean> {
    const headers = { authorization: `Bearer ${this.token}` };
    const answer = await fetch(`${this.url}/api/v0/nodes?limit=10`, { headers }).catch(() => null);
    return answer?.ok === true && (await answer.text()).includes('"ALIVE"');
  }

  /** Every process with its token in its environment. */
  private async processes(): Promise<{ pid: number; command: string }[]> {
    const found: { pid: number; command: string }[] = [];
    for (const name of await readdir('/proc')) {
      const pid = Number(name);
      if (!Number.isInteger(pid) || pid === process.pid) continue;
      try {
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
        if (!environment.includes(`RAY_AUTH_TOKEN=${this.token}`)) continue;
        found.push({ pid, command: (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ') });
      } catch {
        // It has ended meanwhile, or belongs to another user.
      }
    }
    return found;
  }
}
