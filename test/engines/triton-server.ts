import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_TIMEOUT_MS = 60_000;

/** A real tritonserver of its own, which can be killed and started again with its repository and its port. Benchmarks
 * use it too, without a build. */
export class Triton {
  private child: ChildProcess | null = null;
  private readonly python: string;
  private readonly folder: string;
  private readonly port: number;

  private constructor(python: string, folder: string, port: number) {
    this.python = python;
    this.folder = folder;
    this.port = port;
  }

  /** `python`: that of the environment of scripts/python-triton.mjs. */
  static async start(python: string): Promise<Triton> {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as { port: number };
    probe.close();
    const triton = new Triton(python, await mkdtemp(join(tmpdir(), 'matih-triton-')), port);
    mkdirSync(triton.repository);
    await triton.up();
    return triton;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get repository(): string {
    return join(this.folder, 'repository');
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async up(): Promise<void> {
    const packages = join(dirname(dirname(this.python)), 'lib', 'python3.11', 'site-packages');
    const server = join(packages, 'pytriton', 'tritonserver');
    const backend = join(this.folder, 'backends', 'python');
    mkdirSync(backend, { recursive: true });
    const parts = join(server, 'backends', 'python');
    for (const name of readdirSync(parts)) copyFileSync(join(parts, name), join(backend, name));
    const stub = 'triton_python_backend_stub';
    copyFileSync(join(server, 'python_backend_stubs', '3.11', stub), join(backend, stub));
    const args = [
      `--model-repository=${this.repository}`,
      `--backend-directory=${join(this.folder, 'backends')}`,
      '--model-control-mode=explicit',
      '--http-address=127.0.0.1',
      `--http-port=${this.port}`,
      '--allow-grpc=false',
      '--allow-metrics=false',
      '--exit-on-error=false',
      '--backend-config=python,shm-default-byte-size=1048576',
    ];
    const env = {
      ...process.env,
      PYTHONPATH: packages,
      LD_LIBRARY_PATH: join(packages, 'nvidia_pytriton.libs'),
    };
    let said = '';
    const child = spawn(join(server, 'bin', 'tritonserver'), args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (chunk) => (said = `${said}${chunk}`.slice(-4_000)));
    this.child = child;
    for (const until = Date.now() + START_TIMEOUT_MS; Date.now() < until; await sleep(100)) {
      const live = await fetch(`${this.url}/v2/health/live`).catch(() => null);
      if (live?.ok) return;
      if (child.exitCode !== null) break;
    }
    throw new Error(`tritonserver did not start: ${said}`);
  }

  /** As by kill -9. Its processes of models end by themselves. */
  async kill(): Promise<void> {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  async close(): Promise<void> {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}
