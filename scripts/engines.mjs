// The real engines of the tests: each is found or installed, started on a free port of this machine, and removed with
// its data at the end.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findOrInstall } from './debian.mjs';
import { CACHE, pythonEnvironment, run } from './python-environment.mjs';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

async function accepts(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Starts a server and waits until its port accepts connections. */
async function serve(name, port, command, args, options = {}) {
  const server = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], ...options });
  let said = '';
  server.stderr.on('data', (chunk) => (said = `${said}${chunk}`.slice(-4_000)));
  server.once('error', (error) => (said += error.message));
  for (const deadlineMs = Date.now() + START_TIMEOUT_MS; Date.now() < deadlineMs; await sleep(50)) {
    if (await accepts(port)) return () => end(server);
    if (server.exitCode !== null || server.pid === undefined) break;
  }
  server.kill('SIGKILL');
  throw new Error(`${name} did not start: ${said.trim() || 'it said nothing'}`);
}

async function end(server) {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  const killer = setTimeout(() => server.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(killer);
}

/** Starts Debian's Redis with the settings that production needs: nothing is evicted, and every write goes to disk. */
export async function startRedis(folder) {
  const port = await freePort();
  const program = findOrInstall(['redis-server'], 'redis-server');
  // Enough databases for all services that the tests start at the same time.
  const settings = {
    port,
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: 'yes',
    'maxmemory-policy': 'noeviction',
    databases: 10_000,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const stop = await serve('redis-server', port, program, args);
  return { env: { REDIS_URL: `redis://127.0.0.1:${port}`, MATIH_REDIS_SERVER: program }, stop };
}

/** A program that `go install` builds; it is kept for the next run. */
function goProgram(name, source) {
  const version = source.split('@')[1];
  const bin = join(CACHE, `${name}-${version}`);
  const path = join(bin, name);
  if (existsSync(path)) return path;
  const go = findOrInstall(['go'], 'golang-go', () => ['/usr/local/go/bin']);
  console.error(`Building ${name} ${version} (once; some minutes) …`);
  mkdirSync(bin, { recursive: true });
  const built = spawnSync(go, ['install', source], {
    env: { ...process.env, GOBIN: bin, GOFLAGS: '' },
    encoding: 'utf8',
  });
  if (!existsSync(path))
    throw new Error(`${name} could not be built: ${built.stderr?.trim().split('\n').at(-1) ?? built.error?.message}`);
  return path;
}

/**
 * Starts an S3 server with a new folder; `start` gives its command, and its keys under the names that this server uses.
 */
async function startS3Server(folder, name, start) {
  const port = await freePort();
  const data = join(folder, name);
  mkdirSync(data);
  const [key, secret] = [randomBytes(8).toString('hex'), randomBytes(16).toString('hex')];
  const { command, args, keys } = start({ port, data, key, secret });
  const stop = await serve(name, port, command, args, { env: { ...process.env, ...keys } });
  const env = {
    S3_ENDPOINT: `http://127.0.0.1:${port}`,
    S3_ACCESS_KEY: key,
    S3_SECRET_KEY: secret,
    MATIH_S3_SERVER: name,
  };
  return { env, stop };
}

export function startVersitygw(folder) {
  const command = goProgram('versitygw', 'github.com/versity/versitygw/cmd/versitygw@v1.7.0');
  return startS3Server(folder, 'versitygw', ({ port, data, key, secret }) => ({
    command,
    args: ['--quiet', '--keep-alive', '--port', `127.0.0.1:${port}`, 'posix', data],
    keys: { ROOT_ACCESS_KEY: key, ROOT_SECRET_KEY: secret },
  }));
}

/** MinIO's own server. It takes ten minutes to build, so it is not in the family that CI runs. */
export function startMinio(folder) {
  const command = goProgram('minio', 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c');
  return startS3Server(folder, 'minio', ({ port, data, key, secret }) => ({
    command,
    args: ['server', '--quiet', '--address', `127.0.0.1:${port}`, data],
    keys: { MINIO_ROOT_USER: key, MINIO_ROOT_PASSWORD: secret, MINIO_BROWSER: 'off' },
  }));
}

/** On Debian, PostgreSQL's server programs are not in the PATH. */
function postgresFolders() {
  const root = '/usr/lib/postgresql';
  return existsSync(root)
    ? readdirSync(root)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(root, version, 'bin'))
    : [];
}

/** Starts Debian's PostgreSQL, as users have it; only the tests use its superuser. */
export async function startPostgres(folder) {
  const port = await freePort();
  const initdb = findOrInstall(['initdb'], 'postgresql', postgresFolders);
  const data = join(folder, 'postgres');
  mkdirSync(data, { mode: 0o700 });
  // PostgreSQL refuses to run as root.
  const asUser = process.getuid?.() === 0 ? postgresUser() : {};
  if (asUser.uid !== undefined) chownSync(data, asUser.uid, asUser.gid);
  const options = { ...asUser, cwd: data };
  const made = spawnSync(
    initdb,
    ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'],
    {
      ...options,
      encoding: 'utf8',
    },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr ?? made.error?.message}`);
  const settings = [
    '-p',
    port,
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
    '-c',
    'fsync=off',
  ].map(String);
  const stop = await serve('postgres', port, join(initdb, '..', 'postgres'), ['-D', data, ...settings], options);
  return { env: { MATIH_POSTGRES_ADMIN_URL: `postgresql://postgres@127.0.0.1:${port}/postgres` }, stop };
}

function postgresUser() {
  const [, , uid, gid] =
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((line) => line.startsWith('postgres:'))
      ?.split(':') ?? [];
  if (uid === undefined)
    throw new Error('There is no user "postgres" to run PostgreSQL as: install the Debian package postgresql.');
  return { uid: Number(uid), gid: Number(gid) };
}

const REQUIREMENTS = fileURLToPath(new URL('../test/engines/mlflow/requirements.txt', import.meta.url));

/**
 * A Python with MLflow and the frameworks whose models it logs: that of MATIH_PYTHON, or a virtual environment that is
 * created once.
 */
export function startPython() {
  // Models that must be unpickled are converted in this sandbox.
  findOrInstall(['bwrap'], 'bubblewrap');
  if (process.env.MATIH_PYTHON) return { env: {}, stop: () => undefined };
  const python = pythonEnvironment('python', {
    parts: [readFileSync(REQUIREMENTS)],
    news: 'Installing MLflow and its frameworks for Python (once; a few minutes)',
    install: (_, program) => run(program, ['-m', 'pip', 'install', '--quiet', '--requirement', REQUIREMENTS]),
  });
  return { env: { MATIH_PYTHON: python }, stop: () => undefined };
}
