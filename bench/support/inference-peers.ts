import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onInterruption } from './interruption.ts';
import { pythonWith } from './python.ts';

const STARTS_WITHIN_MS = 180_000;
const SCRIPTS = fileURLToPath(new URL('../predict-oip/', import.meta.url));
const RUNTIME = ['onnxruntime==1.23.2', 'numpy<2.5'];

export interface InferencePeer {
  port: number;
  grpcPort: number;
  stop(): Promise<void>;
}

/** MLServer with one model, in one process as it comes. */
export async function startMlserver(folder: string, model: string): Promise<InferencePeer> {
  const python = await pythonWith('mlserver', ['mlserver==1.7.1', ...RUNTIME]);
  const [port, grpcPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const models = join(folder, 'mlserver');
  await mkdir(join(models, 'bench'), { recursive: true });
  const settings = {
    host: '127.0.0.1',
    http_port: port,
    grpc_port: grpcPort,
    metrics_port: metricsPort,
    parallel_workers: 0,
    debug: false,
  };
  await writeFile(join(models, 'settings.json'), JSON.stringify(settings));
  await writeFile(
    join(models, 'bench', 'model-settings.json'),
    JSON.stringify({ name: 'bench', implementation: 'mlserver_model.OnnxModel', parameters: { uri: model } }),
  );
  const program = join(python, '..', 'mlserver');
  return started('MLServer', program, ['start', models], { port, grpcPort }, '/v2/models/bench/ready', models);
}

/** Ray Serve with its default proxy on a Ray of its own. */
export async function startRayServe(folder: string, model: string): Promise<InferencePeer> {
  const python = await pythonWith('ray-serve', ['ray[serve]==2.60.0', ...RUNTIME]);
  const port = await freePort();
  const args = [join(SCRIPTS, 'ray_serve.py'), model, String(port)];
  return started('Ray Serve', python, args, { port, grpcPort: 0 }, '/-/healthz', folder);
}

async function started(
  name: string,
  program: string,
  args: string[],
  ports: { port: number; grpcPort: number },
  readyPath: string,
  cwd: string,
): Promise<InferencePeer> {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, PYTHONPATH: SCRIPTS, RAY_USAGE_STATS_ENABLED: '0', RAY_DEDUP_LOGS: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
    // In its own process group, so that its workers end with it.
    detached: true,
  });
  onInterruption(() => stopGroup(child));
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  const until = Date.now() + STARTS_WITHIN_MS;
  for (;;) {
    const isReady = await fetch(`http://127.0.0.1:${ports.port}${readyPath}`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) break;
    if (child.exitCode !== null || Date.now() > until) {
      await stopGroup(child);
      throw new Error(`${name} did not start: ${said}`);
    }
    await wait(300);
  }
  return { ...ports, stop: () => stopGroup(child) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

async function stopGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await Promise.race([ended, wait(15_000)]);
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // All of them have ended.
  }
}
