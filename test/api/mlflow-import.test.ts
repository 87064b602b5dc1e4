import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { mutate, query } from '../support/tracking.js';
import { ImportFromMlflowDocument } from '../../schema/generated/operations.js';
import { JobDetailsDocument } from '../generated/operations.js';

type Answer = { status: number; body: unknown; headers?: Record<string, string> };
type Answers = (path: string, authorization?: string) => Answer;

const RUN = '0123456789abcdef0123456789abcdef';
const EXPERIMENT = { experiment_id: '7', name: 'evil', lifecycle_stage: 'active' };
const ok = (body: unknown): Answer => ({ status: 200, body });
const nothing = (path: string): Answer =>
  path.includes('artifacts') || path.includes('search')
    ? ok({})
    : { status: 404, body: { error_code: 'ENDPOINT_NOT_FOUND', message: path } };

let service: TestService;
let tess: Caller;
let peer: Server;
let trackingUri: string;
let asked: string[] = [];
let answers: Answers = nothing;
beforeAll(async () => {
  service = await startTestService({ MLFLOW_IMPORT_ALLOW_HTTP: 'true', MLFLOW_IMPORT_ALLOWED_HOSTS: '127.0.0.1' });
  tess = await service.as();
  // A hostile server.
  peer = createServer((request, response) => {
    asked.push(request.url ?? '');
    request.resume().on('end', () => {
      const { status, body, headers } = answers(request.url ?? '', request.headers.authorization);
      response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(peer, 'listening');
  const address = peer.address();
  trackingUri = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
afterAll(async () => {
  peer?.close();
  await service?.close();
});

async function bring(answer: Answers, input: object = {}) {
  answers = answer;
  asked = [];
  const { job } = await mutate(tess, ImportFromMlflowDocument, { trackingUri, ...input });
  for (;;) {
    const found = await tess.ok(JobDetailsDocument, { id: job.id });
    if (!['QUEUED', 'RUNNING'].includes(found.job.status))
      return { ...found.job, result: found.job.result as { problems: { thing: string; reason: string }[] } };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** One run with the artifacts that its server lists. */
const withFiles =
  (files: object[]): Answers =>
  (path) => {
    if (path.includes('experiments/search')) return ok({ experiments: [EXPERIMENT] });
    if (path.includes('runs/search'))
      return ok({
        runs: [
          {
            info: {
              run_id: RUN,
              run_name: ' \u200b',
              status: 'FINISHED',
              artifact_uri: 'mlflow-artifacts:/7/x/artifacts',
            },
          },
        ],
      });
    if (path.includes('mlflow-artifacts/artifacts?')) return ok({ files });
    return path.includes('mlflow-artifacts/artifacts/') ? { status: 200, body: 'content' } : nothing(path);
  };

it('files that would leave their folder are not imported, and the rest is', async () => {
  const paths = ['../../x', '/etc/passwd', '%252e%252e/x', 'a\\..\\b', 'C:/x', 'sound.txt'];
  const { status, result } = await bring(withFiles(paths.map((path) => ({ path, is_dir: false, file_size: 7 }))));
  expect(status).toBe('SUCCEEDED');
  expect(result.problems).toHaveLength(5);
  expect(await query(service, 'select path from artifact')).toEqual([{ path: 'sound.txt' }]);
  expect(await query(service, 'select id, name from run')).toEqual([
    { id: '01234567-89ab-cdef-0123-456789abcdef', name: 'run-01234567' },
  ]);
});

it('redirects are not followed, and refused credentials end the import at once', async () => {
  const redirected = await bring(() => ({
    status: 302,
    body: '',
    headers: { location: 'http://169.254.169.254/latest/meta-data' },
  }));
  expect(redirected).toMatchObject({
    status: 'FAILED',
    errorCode: 'BAD_USER_INPUT',
    errorMessage: expect.stringContaining('302'),
  });
  expect(asked).toHaveLength(1);
  let seen: string | undefined;
  const refused = await bring(
    (_, authorization) => {
      seen = authorization;
      return { status: 401, body: { error_code: 'UNAUTHENTICATED', message: 'who are you?' } };
    },
    { username: 'tess', password: 'secret-of-tess' },
  );
  expect(refused).toMatchObject({ status: 'FAILED', errorCode: 'FORBIDDEN' });
  expect(seen).toBe(`Basic ${Buffer.from('tess:secret-of-tess').toString('base64')}`);
  expect(asked).toHaveLength(1);
  expect(await query(service, 'select * from job_secret')).toEqual([]);
});

it.each([
  ['the same token again', () => 'again', 'the same pages of mlflow/experiments/search again', 2],
  ['tokens in a ring', (page: number) => `token-${page % 3}`, 'the same pages of mlflow/experiments/search again', 4],
  ['a token of a megabyte', () => 'x'.repeat(2 ** 20), 'a page token of 1048576 characters', 1],
] as const)('a server whose lists never end is not read for ever: %s', async (_, tokenAt, message, most) => {
  let pages = 0;
  const { status, errorCode, errorMessage } = await bring((path) => {
    if (!path.includes('experiments/search')) return nothing(path);
    return ok({ experiments: [EXPERIMENT], next_page_token: tokenAt(pages++) });
  });
  expect({ status, errorCode, errorMessage }).toEqual({
    ...{ status: 'FAILED', errorCode: 'RESOURCE_EXHAUSTED' },
    errorMessage: expect.stringContaining(message),
  });
  expect(pages).toBeLessThanOrEqual(most);
});

it('nor is a server with endless empty pages: its other objects are imported', async () => {
  let pages = 0;
  const { status, result } = await bring((path) => {
    if (path.includes('runs/search')) return ok({ next_page_token: `token-${pages++}` });
    return withFiles([])(path);
  });
  expect(status).toBe('SUCCEEDED');
  expect(result.problems).toEqual([
    { thing: 'experiment evil', reason: expect.stringContaining('empty pages of mlflow/runs/search') },
  ]);
  expect(pages).toBeLessThan(200);
});

it.each([
  ['mlflow-artifacts:/7/x/artifacts', 'more than 50 deep'],
  ['/a/folder/of/the/server', '"deep" as one in "deep"'],
])('a folder that contains itself ends, and the files beside it are imported: %s', async (artifactUri, reason) => {
  const run = {
    run_id: randomUUID().replaceAll('-', ''),
    run_name: 'r',
    status: 'FINISHED',
    artifact_uri: artifactUri,
  };
  const files = [
    { path: 'deep', is_dir: true },
    { path: `beside-${run.run_id}.txt`, is_dir: false, file_size: 7 },
  ];
  const { status, result } = await bring((path) => {
    if (path.includes('runs/search')) return ok({ runs: [{ info: run }] });
    if (path.includes('artifacts/list')) return ok({ files });
    return path.startsWith('/get-artifact') ? { status: 200, body: 'content' } : withFiles(files)(path);
  });
  expect(status).toBe('SUCCEEDED');
  expect(result.problems.map((problem) => problem.reason)).toContainEqual(expect.stringContaining(reason));
  expect(asked.length).toBeLessThan(200);
  expect(await query(service, 'select path from artifact where path = $1', [files[1]!.path])).toHaveLength(1);
});

it('a file that has changed on the other server is imported again, also with the same size; one that was replaced here stays', async () => {
  const runId = randomUUID();
  const run = {
    run_id: runId.replaceAll('-', ''),
    run_name: 'r',
    status: 'FINISHED',
    artifact_uri: 'mlflow-artifacts:/7/y/artifacts',
  };
  const theirs: Record<string, string> = { 'theirs.txt': 'first', 'ours.txt': 'first', 'still.txt': 'first' };
  const answer: Answers = (path) => {
    if (path.includes('runs/search')) return ok({ runs: [{ info: run }] });
    if (path.includes('mlflow-artifacts/artifacts?'))
      return ok({
        files: Object.entries(theirs).map(([name, { length }]) => ({ path: name, is_dir: false, file_size: length })),
      });
    const name = path.split('/').at(-1) ?? '';
    return path.includes('mlflow-artifacts/artifacts/') ? { status: 200, body: theirs[name] } : withFiles([])(path);
  };
  const contents = async () => {
    const rows = await query<{ path: string; key: string }>(
      service,
      'select path, object_key as key from artifact where run_id = $1 order by path',
      [runId],
    );
    const { objects } = service.app.context;
    return Object.fromEntries(
      await Promise.all(rows.map(async ({ path, key }) => [path, await text(await objects.get(key))])),
    );
  };
  expect(await bring(answer)).toMatchObject({ status: 'SUCCEEDED', result: { artifacts: 3, problems: [] } });
  const [{ experiment } = { experiment: '' }] = await query<{ experiment: string }>(
    service,
    `select replace(experiment_id::text, '-', '') as experiment from run where id = $1`,
    [runId],
  );
  const put = await fetch(
    `${service.url}/api/2.0/mlflow-artifacts/artifacts/${experiment}/${run.run_id}/artifacts/ours.txt`,
    {
      method: 'PUT',
      headers: { authorization: `Bearer ${tess.token}` },
      body: 'local',
    },
  );
  expect(put.status).toBe(200);
  Object.assign(theirs, { 'theirs.txt': 'third', 'late.txt': 'late' });
  expect(await bring(answer)).toMatchObject({ status: 'SUCCEEDED', result: { artifacts: 2, runs: { changed: 1 } } });
  expect(await contents()).toEqual({
    'theirs.txt': 'third',
    'ours.txt': 'local',
    'still.txt': 'first',
    'late.txt': 'late',
  });
  expect(await bring(answer)).toMatchObject({
    status: 'SUCCEEDED',
    result: { artifacts: 0, runs: { changed: 0, unchanged: 1 } },
  });
});
