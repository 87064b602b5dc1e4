// Runs the tests against real engines, each started here for this run alone. For now: Redis from Debian, and Chromium for GraphiQL.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromiumPath } from './chromium.mjs';
import { findOrInstall } from './debian.mjs';

const REDIS_START_TIMEOUT_MS = 10_000;

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

async function answers(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.write('PING\r\n');
    const [reply] = await once(socket, 'data');
    return reply.toString().startsWith('+PONG');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function startRedis(folder) {
  const port = await freePort();
  // Queues must never lose a key to eviction: the setting that production needs too.
  const settings = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--maxmemory-policy', 'noeviction'].map(String);
  const server = spawn(findOrInstall(['redis-server'], 'redis-server'), settings, { stdio: ['ignore', 'ignore', 'inherit'] });
  for (const deadlineMs = Date.now() + REDIS_START_TIMEOUT_MS; Date.now() < deadlineMs; await sleep(50)) {
    if (await answers(port)) return { url: `redis://127.0.0.1:${port}`, server };
    if (server.exitCode !== null) break;
  }
  server.kill('SIGKILL');
  throw new Error('redis-server did not start.');
}

const folder = await mkdtemp(join(tmpdir(), 'matih-engines-'));
let redis;
try {
  redis = await startRedis(folder);
  const env = { ...process.env, REDIS_URL: redis.url, MATIH_CHROMIUM: chromiumPath() };
  const vitest = spawn('vitest', ['run', '--project', 'engines', ...process.argv.slice(2)], { env, stdio: 'inherit' });
  const [code] = await once(vitest, 'exit');
  process.exitCode = code ?? 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  redis?.server.kill('SIGTERM');
  await rm(folder, { recursive: true, force: true });
}
