import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createDatabaseFromTemplate } from '../support/database.js';
import { Caller, SECRET } from '../support/service.js';
import { FollowEventsDocument } from '../../schema/generated/operations.js';
import { CreateExperimentDetailsDocument, ExperimentsNameDocument } from '../generated/operations.js';

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function start(
  env: Record<string, string>,
  args: string[] = [],
): { child: ChildProcess; ended: Promise<Ended>; firstLine: Promise<string> } {
  const child = spawn(process.execPath, ['dist/main.js', ...args], {
    env: { PATH: process.env['PATH'], LOG_LEVEL: 'warn', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let resolveFirstLine: (line: string) => void = () => undefined;
  const firstLine = new Promise<string>((resolve) => (resolveFirstLine = resolve));
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += String(chunk);
    if (stdout.includes('\n')) resolveFirstLine(stdout.slice(0, stdout.indexOf('\n')));
  });
  child.stderr.on('data', (chunk: Buffer) => (stderr += String(chunk)));
  cleanups.push(() => child.kill('SIGKILL'));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  const ready = Promise.race([firstLine, ended.then(({ stderr: text }) => Promise.reject(new Error(text)))]);
  // A call that waits only for the end does not check here.
  ready.catch(() => undefined);
  return { child, ended, firstLine: ready };
}

async function dataFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'matih-process-'));
  await chmod(dir, 0o755);
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe('a start that cannot work ends with one clear sentence and an exit code', () => {
  const own = { DATABASE_URL: 'postgresql://nobody:wrong@127.0.0.1:1/none', AUTH_JWT_SECRET: SECRET };
  const cases: [string, Record<string, string>, string[], RegExp][] = [
    ['an unknown flag', {}, ['--jsno'], /^Unknown flag "--jsno"; there are --help and --json\./],
    ['a malformed value', { PORT: 'http' }, [], /^Setting PORT is "http": a whole number from 0 to 65535\.$/],
    ['a value out of range', { PORT: '99999' }, [], /^Setting PORT is "99999": /],
    [
      'a near miss of a name',
      { DATABSE_URL: 'x' },
      [],
      /^There is no setting DATABSE_URL; did you mean DATABASE_URL\?$/,
    ],
    [
      'a short secret',
      { AUTH_JWT_SECRET: 'short' },
      [],
      /^Setting AUTH_JWT_SECRET is \(hidden\): at least 32 characters\.$/,
    ],
    ['a role without a database', { ROLE: 'worker' }, [], /^ROLE=worker needs DATABASE_URL/],
    ['no secret outside the embedded mode', { DATABASE_URL: own.DATABASE_URL }, [], /there is no default secret/],
    ['an address of no database', own, [], /^Cannot reach PostgreSQL at 127\.0\.0\.1:1\/none: .*Check DATABASE_URL\.$/],
    [
      'an address of another kind',
      { ...own, DATABASE_URL: 'mysql://x' },
      [],
      /^Setting DATABASE_URL is \(hidden\): an address that begins with postgres:/,
    ],
    [
      'S3 without keys',
      { S3_ENDPOINT: 'http://127.0.0.1:9000' },
      [],
      /^S3_ENDPOINT needs S3_ACCESS_KEY and S3_SECRET_KEY\.$/,
    ],
  ];
  for (const [what, env, args, sentence] of cases) {
    it(what, async () => {
      const { code, stdout, stderr } = await start(env, args).ended;
      expect(stdout).toBe('');
      expect(stderr.trim()).toMatch(sentence);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(code).toBe(1);
    });
  }

  it('when the port is in use', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    cleanups.push(() => taken.close());
    const { port } = taken.address() as { port: number };
    const database = await createDatabaseFromTemplate();
    cleanups.push(() => database.drop());
    const { code, stderr } = await start({
      PORT: String(port),
      DATABASE_URL: database.url,
      AUTH_JWT_SECRET: SECRET,
      DATA_DIR: await dataFolder(),
    }).ended;
    expect(stderr.trim()).toMatch(new RegExp(`^Port ${port} on 127\\.0\\.0\\.1 is in use\\.`));
    expect(code).toBe(1);
  });
});

describe('the process', () => {
  it('lists every setting with its default', async () => {
    const { code, stdout } = await start({}, ['--help']).ended;
    expect(code).toBe(0);
    expect(stdout).toContain('--json');
    expect(stdout).toMatch(/PORT\s+TCP port of the API; 0 takes any free one\. \[8000\]/);
  });

  it(
    'tells a script where it is and hands out a token, serves again after kill -9 with all it acknowledged, ' +
      'and ends on SIGTERM',
    async () => {
      const DATA_DIR = await dataFolder();
      const first = start({ DATA_DIR }, ['--json']);
      const ready = JSON.parse(await first.firstLine) as {
        url: string;
        graphqlUrl: string;
        wsUrl: string;
        token: string;
      };
      expect(Object.keys(ready).toSorted()).toEqual(['graphqlUrl', 'grpcAddress', 'token', 'url', 'wsUrl']);
      const admin = new Caller(ready.url, ready.token);
      await admin.ok(CreateExperimentDetailsDocument, { input: { name: 'kept' } });
      first.child.kill('SIGKILL');
      await first.ended;

      const startedAt = Date.now();
      const second = start({ DATA_DIR }, ['--json']);
      const again = JSON.parse(await second.firstLine) as { url: string; token: string };
      console.log(`ready ${Date.now() - startedAt} ms after kill -9, with the orphaned database server adopted`);
      const survivor = new Caller(again.url, again.token);
      expect(await survivor.ok(ExperimentsNameDocument)).toEqual({
        experiments: { nodes: [{ name: 'kept' }] },
      });
      const subscription = survivor.socket();
      const closed = new Promise<number>((resolve) =>
        subscription.on('closed', (event) => resolve((event as { code: number }).code)),
      );
      subscription.subscribe(
        { query: FollowEventsDocument.toString() },
        { next: () => undefined, error: () => undefined, complete: () => undefined },
      );
      await new Promise((resolve) => subscription.on('connected', resolve));
      second.child.kill('SIGTERM');
      expect(await closed).toBe(1001);
      expect((await second.ended).code).toBe(0);
    },
  );
});
