import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canReach, hydrateLibraries } from '../../src/db/embedded-binaries.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/db/embedded.js';
import { end, sql, startOwner } from '../support/embedded.js';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const silent = { info: () => undefined, warn: () => undefined };
const fast = { fsync: 'off' };

let dataDir: string;
let running: EmbeddedPostgres[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'matih-embedded-'));
  running = [];
});

afterEach(async () => {
  for (const server of running) await server.stop();
  // When a test kills an owner, its server keeps running; the next owner adopts it and stops it.
  if (existsSync(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'))) await (await start()).stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

async function start(options: { port?: number } = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, log: silent, settings: fast, ...options });
  running.push(server);
  return server;
}

async function serverPid(): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

/** An owner in its own process that has started, with one acknowledged row. */
async function ownerWithRow() {
  const owner = await startOwner(dataDir);
  if (!('url' in owner.answer)) throw new Error(owner.answer.message);
  await sql(owner.answer.url, 'CREATE TABLE kept (n int)');
  await sql(owner.answer.url, 'INSERT INTO kept VALUES (42)');
  return { child: owner.child, ...owner.answer };
}

const sentence = (text: RegExp) =>
  expect.objectContaining({ code: 'UNAVAILABLE', message: expect.stringMatching(text) });

describe('lifecycle', () => {
  it('keeps data, port and password over a restart', async () => {
    const startedMs = performance.now();
    const first = await start();
    const firstMs = performance.now() - startedMs;
    await sql(first.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    await first.stop();
    const againMs = performance.now();
    const second = await start();
    console.log(
      `embedded PostgreSQL: first start ${firstMs.toFixed(0)} ms, warm start ` +
        `${(performance.now() - againMs).toFixed(0)} ms`,
    );
    expect(second.url).toBe(first.url);
    expect(await sql(second.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
  });

  it('requires the password, and only its owner can read it', async () => {
    const server = await start();
    await expect(sql(server.url.replace(/:[^:@]+@/, ':guess@'), 'SELECT 1')).rejects.toThrow(
      /password authentication failed/,
    );
    expect((await stat(join(dataDir, 'postgres', 'connection.json'))).mode & 0o777).toBe(0o600);
    expect(await sql(server.url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
  });

  it('comes back by itself on the same port when the server is killed', async () => {
    const server = await start();
    await sql(server.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    const killedMs = performance.now();
    process.kill(await serverPid(), 'SIGKILL');
    await expect
      .poll(() => sql(server.url, 'SELECT n FROM kept').catch(() => null), { timeout: 10_000, interval: 50 })
      .toEqual([{ n: 42 }]);
    console.log(`embedded PostgreSQL killed: back after ${(performance.now() - killedMs).toFixed(0)} ms`);
  });

  it.runIf(isRoot && canReach({ uid: NOBODY, gid: NOBODY }, [process.cwd(), process.execPath]))(
    'runs for an ordinary user, and for root on that folder',
    async () => {
      await chmod(dataDir, 0o755);
      await chown(dataDir, NOBODY, NOBODY);
      const owner = await startOwner(dataDir, { uid: NOBODY });
      expect(owner.answer).toHaveProperty('url');
      await end(owner.child, 'SIGTERM');
      const asRoot = await start();
      await asRoot.stop();
      const again = await startOwner(dataDir, { uid: NOBODY });
      expect(again.answer).toEqual(owner.answer);
      await end(again.child, 'SIGTERM');
    },
  );
});

describe('one owner', () => {
  it('tells a second process who owns the folder and what to do', async () => {
    const { child } = await ownerWithRow();
    await expect(start()).rejects.toEqual(
      sentence(new RegExp(`already in use by process ${child.pid}: .*ROLE=api.*DATABASE_URL`)),
    );
    await end(child, 'SIGTERM');
    await start();
  });

  it('adopts the server of a killed owner without closing its other connections', async () => {
    const owner = await ownerWithRow();
    const pid = await serverPid();
    const client = new Client({ connectionString: owner.url });
    await client.connect();
    await end(owner.child, 'SIGKILL');
    const server = await start();
    expect(await serverPid()).toBe(pid);
    expect(server.url).toBe(owner.url);
    expect((await client.query('SELECT n FROM kept')).rows).toEqual([{ n: 42 }]);
    await client.end();
  });

  it('restarts the server of a killed owner when another port is requested', async () => {
    const owner = await ownerWithRow();
    await end(owner.child, 'SIGKILL');
    const port = owner.port === 45_123 ? 45_124 : 45_123;
    const server = await start({ port });
    expect(server.port).toBe(port);
    expect(await sql(server.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
  });

  it('recovers when owner and server were killed together', async () => {
    const owner = await ownerWithRow();
    const pid = await serverPid();
    await end(owner.child, 'SIGKILL');
    process.kill(pid, 'SIGKILL');
    const startedMs = performance.now();
    expect(await sql((await start()).url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
    console.log(`embedded PostgreSQL: start after both were killed ${(performance.now() - startedMs).toFixed(0)} ms`);
  });

  it('ignores a pid file whose process id now belongs to another program', async () => {
    const first = await start();
    const pidFile = await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8');
    await first.stop();
    await writeFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), pidFile.replace(/^\d+/, '1'));
    await writeFile(
      join(dataDir, 'postgres', 'owner.json'),
      JSON.stringify({ pid: process.pid, identity: 'an earlier process' }),
    );
    expect(await sql((await start()).url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('starts after an initdb that was killed in the middle', async () => {
    const pending = startOwner(dataDir).catch((error: unknown) => error);
    const base = join(dataDir, 'postgres');
    const isBusy = async () =>
      existsSync(base) && (await readdir(base)).some((name) => name.startsWith('cluster.init-'));
    await expect.poll(isBusy, { timeout: 10_000, interval: 5 }).toBe(true);
    const { pid } = JSON.parse(await readFile(join(base, 'owner.json'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
    void pending;
    await sleep(50);
    expect(await sql((await start()).url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await readdir(base)).filter((name) => name.includes('.init-'))).toEqual([]);
  });
});

describe('faults, each with one sentence', () => {
  it('a port that is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    const address = await new Promise<{ port: number }>((resolve) =>
      other.once('listening', () => resolve(other.address() as { port: number })),
    );
    await expect(start({ port: address.port })).rejects.toEqual(
      sentence(new RegExp(`^Port ${address.port} .* is used by another program`)),
    );
    other.close();
    await start();
  });

  it('a data folder that is a file', async () => {
    await writeFile(join(dataDir, 'file'), '');
    await expect(startEmbeddedPostgres({ dataDir: join(dataDir, 'file'), log: silent })).rejects.toEqual(
      sentence(/file is not a folder/),
    );
  });

  it.runIf(!isRoot || canReach({ uid: NOBODY, gid: NOBODY }, [process.cwd(), process.execPath]))(
    'a data folder that is not writable',
    async () => {
      await chmod(dataDir, 0o555);
      const { answer } = await startOwner(dataDir, isRoot ? { uid: NOBODY } : {});
      expect(answer).toEqual(sentence(/is not writable by this user: set DATA_DIR/));
      await chmod(dataDir, 0o755);
    },
  );

  it.each([
    ['half-initialised: no PG_VERSION', { base: '' }, /half-initialised.*Move it away/],
    ['half-initialised: no pg_control', { PG_VERSION: '18\n' }, /half-initialised.*Move it away/],
    [
      'newer',
      { PG_VERSION: '19\n', 'global/pg_control': '' },
      /was written by PostgreSQL 19 and this is PostgreSQL 18: start the newer service/,
    ],
    [
      'older',
      { PG_VERSION: '15\n', 'global/pg_control': '' },
      /was written by PostgreSQL 15 and this is PostgreSQL 18: move it with pg_dump/,
    ],
    ['without its password', { PG_VERSION: '18\n', 'global/pg_control': '' }, /connection.json.* is missing/],
  ])('a foreign folder: %s', async (_, files, message) => {
    const cluster = join(dataDir, 'postgres', 'cluster');
    await mkdir(join(cluster, 'global'), { recursive: true });
    for (const [name, content] of Object.entries(files)) await writeFile(join(cluster, name), content);
    if (isRoot) await chown(cluster, NOBODY, NOBODY);
    await expect(start()).rejects.toEqual(sentence(message));
    expect(existsSync(join(dataDir, 'postgres', 'owner.json'))).toBe(false);
  });

  it('library links that npm did not create are created at the start', async () => {
    const list = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }];
    await mkdir(join(dataDir, 'native', 'lib'), { recursive: true });
    await writeFile(join(dataDir, 'native', 'pg-symlinks.json'), JSON.stringify(list));
    await writeFile(join(dataDir, 'native', 'lib', 'libpq.so.5.18'), 'library');
    for (let times = 0; times < 2; times++) await hydrateLibraries(dataDir);
    expect(await readFile(join(dataDir, 'native', 'lib', 'libpq.so.5'), 'utf8')).toBe('library');
  });
});
