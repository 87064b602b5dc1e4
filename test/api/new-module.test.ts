import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { SecretTokenVerifier } from '../../src/adapters/auth/token-verifier.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { createDatabaseFromTemplate } from '../support/database.js';
import { Caller, SECRET } from '../support/service.js';

const run = promisify(execFile);
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A copy of the service with the example of CONTRIBUTING.md, within the checkout, so that it finds the packages. */
function copyWithNotes(): string {
  mkdirSync('.cache', { recursive: true });
  const copy = mkdtempSync(join('.cache', 'new-module-'));
  cleanups.push(() => rmSync(copy, { recursive: true, force: true }));
  for (const name of [
    'src',
    'demo',
    'schema/open-inference',
    'package.json',
    'tsconfig.json',
    '.dependency-cruiser.mjs',
  ])
    cpSync(name, join(copy, name), { recursive: true });
  cpSync('docs/examples/notes/src', join(copy, 'src'), { recursive: true });
  edit(join(copy, 'src/modules.ts'), /\n\];/, `\n  { load: () => import('./modules/notes/module.js') },\n];`);
  const database = join(copy, 'src/db/database.ts');
  edit(database, /(const MIGRATIONS = \[[^\]]*)\]/, `$1  { name: '0099-notes', class: Migration0099Notes },\n]`);
  edit(database, /^/, `import { Migration0099Notes } from './migrations/0099-notes.js';\n`);
  return copy;
}

function edit(file: string, place: RegExp, text: string): void {
  const before = readFileSync(file, 'utf8');
  const after = before.replace(place, text);
  expect(after, `${file} has ${place}`).not.toBe(before);
  writeFileSync(file, after);
}

async function start(copy: string): Promise<{ url: string }> {
  const database = await createDatabaseFromTemplate();
  cleanups.push(() => database.drop());
  const child = spawn(process.execPath, ['dist/main.js', '--json'], {
    cwd: copy,
    env: {
      PATH: process.env['PATH'],
      LOG_LEVEL: 'warn',
      PORT: '0',
      DATABASE_URL: database.url,
      AUTH_JWT_SECRET: SECRET,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  cleanups.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    ended.then(([code]) => Promise.reject(new Error(`It ended with code ${code} before it was ready.`))),
  ]);
  return JSON.parse(String(line)) as { url: string };
}

it('the module of CONTRIBUTING.md needs one line in the list of modules and its migration, and then works', async () => {
  const copy = copyWithNotes();
  await run('node_modules/.bin/tsc', ['-p', join(copy, 'tsconfig.json')]);
  await run(process.execPath, ['../../scripts/boundaries.mjs'], { cwd: copy });
  const { url } = await start(copy);
  const verifier = new SecretTokenVerifier(SECRET, { issuer: 'matih', audience: 'matih-ml' });
  const as = async (tenant: string) =>
    new Caller(url, await verifier.issue({ subject: 'tess', tenant, role: Role.ENGINEER }, 600));
  const [tess, other] = await Promise.all([as('acme'), as('other')]);

  const { createExperiment } = await tess.ok<{ createExperiment: { experiment: { id: string } } }>(
    'mutation { createExperiment(input: { name: "flights" }) { experiment { id } } }',
  );
  const { id } = createExperiment.experiment;
  const CREATE =
    'mutation ($id: ID!, $body: String!) { createNote(input: { experimentId: $id, body: $body }) { note { body } } }';
  await tess.ok(CREATE, { id, body: 'Rows of January are missing.' });
  await tess.ok(CREATE, { id, body: 'They are there now.' });
  expect(await tess.ok('query ($id: ID!) { experiment(id: $id) { notes { body createdBy } } }', { id })).toEqual({
    experiment: {
      notes: [
        { body: 'Rows of January are missing.', createdBy: 'tess' },
        { body: 'They are there now.', createdBy: 'tess' },
      ],
    },
  });
  const { createRun } = await tess.ok<{ createRun: { run: { id: string } } }>(
    'mutation ($id: ID!) { createRun(input: { experimentId: $id }) { run { id } } }',
    { id },
  );
  const runId = createRun.run.id;
  const CREATE_ON_RUN =
    'mutation ($id: ID!, $runId: ID!) { createNote(input: { experimentId: $id, runId: $runId, body: "Fine." }) ' +
    '{ note { id } } }';
  const { createNote } = await tess.ok<{ createNote: { note: { id: string } } }>(CREATE_ON_RUN, { id, runId });
  expect(
    await tess.ok('query ($id: ID!) { lineage(input: { id: $id, type: RUN }) { edges { from to kind } } }', {
      id: runId,
    }),
  ).toEqual({
    lineage: { edges: [{ from: `RUN:${runId}`, to: `NOTE:${createNote.note.id}`, kind: 'NOTED_ON' }] },
  });
  expect(await tess.ok('{ events(filter: { types: [NOTE_WRITTEN] }) { totalCount nodes { subjectId } } }')).toEqual({
    events: { totalCount: 3, nodes: [{ subjectId: id }, { subjectId: id }, { subjectId: id }] },
  });
  expect(await tess.fails(CREATE, { id, body: ' ' })).toMatchObject({
    extensions: { code: 'BAD_USER_INPUT', field: 'input.body' },
  });
  expect(await other.fails(CREATE, { id, body: 'x' })).toMatchObject({ extensions: { code: 'NOT_FOUND' } });
}, 600_000);
