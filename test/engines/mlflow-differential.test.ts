import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { startTestService, tokenFor, type TestService } from '../support/service.js';
import { engine } from './engines.js';
import { newMlflowDatabase, type MlflowDatabase } from './mlflow/database.js';
import accepted from './mlflow/differential/accepted.json' with { type: 'json' };
import {
  compare,
  shown,
  sortUnder,
  type Accepted,
  type Difference,
  type Exchange,
} from './mlflow/differential/compare.js';
import { runPython } from './mlflow/python.js';
import { FOUND } from './mlflow/registry-found.js';
import { RealMlflow } from './mlflow/server.js';

/** A number that occurs nowhere else in an answer, as a 1 would. */
const FIRST_EXPERIMENT_ID = 712_345_001;
const TIMEOUT_MS = 300_000;
const SHOWN_DIFFERENCES = 60;

let folder: string;
let service: TestService;
let database: MlflowDatabase;
let mlflow: RealMlflow;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'matih-differential-'));
  [service, database] = await Promise.all([startTestService(), newMlflowDatabase()]);
  mlflow = await RealMlflow.start(database.store);
  await database.query(`ALTER SEQUENCE experiments_experiment_id_seq RESTART WITH ${FIRST_EXPERIMENT_ID}`);
}, TIMEOUT_MS);

afterAll(async () => {
  await mlflow?.close();
  await database?.drop();
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Conversations that need not wait for each other. */
const PARTS = [
  ['protocol', 'experiments', 'runs', 'inputs', 'artifacts'],
  ['search_runs', 'logged_models', 'registry', 'client'],
];

/** Every conversation with one server. */
const transcriptOf = async (uri: string, token: string) =>
  (await Promise.all(PARTS.map((topics) => partOf(uri, token, topics)))).flat();

async function partOf(uri: string, token: string, topics: string[]): Promise<Exchange[]> {
  const path = join(folder, `${new URL(uri).port}-${topics[0]}.json`);
  const script = fileURLToPath(new URL('mlflow/differential', import.meta.url));
  const child = spawn(engine('MATIH_PYTHON'), [script, uri, path, ...topics], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, MLFLOW_TRACKING_TOKEN: token, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-4_000)));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`The conversations with ${uri} ended with ${code}:\n${said}`);
  return JSON.parse(await readFile(path, 'utf8')) as Exchange[];
}

const table = (differences: Difference[]) =>
  differences
    .slice(0, SHOWN_DIFFERENCES)
    .map(({ topic, request, at, mlflow: theirs, here }) =>
      [`${topic} | ${request} | ${at}`, `  MLflow ${shown(theirs)}`, `  here   ${shown(here)}`]
        .map((line) => line.slice(0, 300))
        .join('\n'),
    )
    .join('\n');

it('what the tests of the MLflow client expect here, MLflow’s own server does too', async () => {
  const settings = { MLFLOW_TRACKING_URI: mlflow.url };
  await runPython('tracking_script.py', settings);
  const found = await runPython<Record<string, unknown>>('registry_script.py', settings);
  expect(found).toMatchObject({ ...FOUND, staging: 'Staging', production: 'Production' });
});

it(
  'two thousand requests are answered as by MLflow’s own server, except for the listed differences with their reasons',
  async () => {
    const token = await tokenFor({ tenant: 'differential', role: Role.ADMIN });
    const startedMs = Date.now();
    const [theirs, ours] = await Promise.all([transcriptOf(mlflow.url, ''), transcriptOf(service.url, token)]);
    for (const { request, body } of [...theirs, ...ours])
      expect(request, JSON.stringify(body)).not.toBe('the script ended');
    const differences = compare(theirs, ours);
    const list: readonly Accepted[] = accepted;
    const { left, requests } = sortUnder(list, differences);
    const same = ours.length - new Set(differences.map(({ topic, exchange }) => `${topic} ${exchange}`)).size;
    console.log(
      `${ours.length} requests in ${Math.round((Date.now() - startedMs) / 1000)} s: ${same} answers are the ` +
        `same, ${differences.length} differences are listed, ${left.length} are not`,
    );
    expect(left.length, `\n${table(left)}\n`).toBe(0);
    const changed = list.flatMap(({ what, requests: listed }, i) =>
      requests[i] === listed ? [] : [`${what}: ${listed}, now ${requests[i]}`],
    );
    expect(changed, 'listed differences that are met at more or fewer requests than the list says').toEqual([]);
  },
  TIMEOUT_MS,
);
