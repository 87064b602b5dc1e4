import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Four processes start, each with all of its imports. */
const START_TIMEOUT_MS = 540_000;

/**
 * A real vLLM on the cores of this machine, with the model of tiny_model.py under the name `tiny`. Benchmarks use it
 * too, without a build.
 */
export class Vllm {
  private child: ChildProcess | null = null;
  private readonly python: string;
  private readonly models: string;
  private readonly port: number;

  private constructor(python: string, models: string, port: number) {
    this.python = python;
    this.models = models;
    this.port = port;
  }

  /** `python` and `models`: those of scripts/python-vllm.mjs. */
  static async start(python: string, models: string): Promise<Vllm> {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as { port: number };
    probe.close();
    const vllm = new Vllm(python, models, port);
    await vllm.up();
    return vllm;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async up(): Promise<void> {
    const args = [
      ...['-m', 'vllm.entrypoints.openai.api_server', '--model', join(this.models, 'tiny')],
      ...['--served-model-name', 'tiny', '--host', '127.0.0.1', '--port', String(this.port), '--dtype', 'float32'],
      ...['--enforce-eager', '--max-model-len', '512', '--max-num-seqs', '8'],
      ...['--enable-lora', '--max-lora-rank', '8', '--max-loras', '2', '--max-cpu-loras', '12'],
    ];
    const env = {
      ...process.env,
      VLLM_CPU_KVCACHE_SPACE: '1',
      VLLM_CPU_OMP_THREADS_BIND: 'nobind',
      OMP_NUM_THREADS: '1',
      TORCHDYNAMO_DISABLE: '1',
      VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True',
      VLLM_NO_USAGE_STATS: '1',
      DO_NOT_TRACK: '1',
      HF_HUB_OFFLINE: '1',
      TRANSFORMERS_OFFLINE: '1',
    };
    let said = '';
    const child = spawn(this.python, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-4_000)));
    this.child = child;
    for (const until = Date.now() + START_TIMEOUT_MS; Date.now() < until; await sleep(500)) {
      const health = await fetch(`${this.url}/health`).catch(() => null);
      if (health?.ok) return;
      if (child.exitCode !== null) break;
    }
    await this.close();
    throw new Error(`vLLM did not start: ${said}`);
  }

  /** One figure of its metrics, summed over its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** Its worker outlives the server, so that the whole group of processes is killed. */
  async close(): Promise<void> {
    const { child } = this;
    if (!child?.pid) return;
    this.child = null;
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : Promise.resolve();
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group has ended already.
    }
    await ended;
  }
}
