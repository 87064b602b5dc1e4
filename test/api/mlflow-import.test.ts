import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { mutate, query } from '../support/tracking.js';

type Answer = { status: number; body: unknown; headers?: Record<string, string> };
type Answers = (path: string, authorization: string | undefined) => Answer;

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
  // A server that nobody should trust.
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
  const { job } = await mutate<{ job: { id: string } }>(tess, 'importFromMlflow', { trackingUri, ...input }, 'job { id }');
  for (;;) {
    const found = await tess.ok<{
      job: { status: string; errorCode: string; errorMessage: string; result: { problems: { reason: string }[] } };
    }>('query ($id: ID!) { job(id: $id) { status errorCode errorMessage result } }', { id: job.id });
    if (!['QUEUED', 'RUNNING'].includes(found.job.status)) return found.job;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** One run whose artifacts are as its server says. */
const withFiles =
  (files: object[]): Answers =>
  (path) => {
    if (path.includes('experiments/search')) return ok({ experiments: [EXPERIMENT] });
    if (path.includes('runs/search'))
      return ok({
        runs: [{ info: { run_id: RUN, run_name: ' \u200b', status: 'FINISHED', artifact_uri: 'mlflow-artifacts:/7/x/artifacts' } }],
      });
    if (path.includes('mlflow-artifacts/artifacts?')) return ok({ files });
    return path.includes('mlflow-artifacts/artifacts/') ? { status: 200, body: 'content' } : nothing(path);
  };

it('files that would leave their folder stay out, and the rest comes', async () => {
  const paths = ['../../x', '/etc/passwd', '%252e%252e/x', 'a\\..\\b', 'C:/x', 'sound.txt'];
  const { status, result } = await bring(withFiles(paths.map((path) => ({ path, is_dir: false, file_size: 7 }))));
  expect(status).toBe('SUCCEEDED');
  expect(result.problems).toHaveLength(5);
  expect(await query(service, 'select path from artifact')).toEqual([{ path: 'sound.txt' }]);
  expect(await query(service, 'select id, name from run')).toEqual([{ id: '01234567-89ab-cdef-0123-456789abcdef', name: 'run-01234567' }]);
});

it('redirects are not followed, and a refusal of the credentials ends it at once', async () => {
  const redirected = await bring(() => ({ status: 302, body: '', headers: { location: 'http://169.254.169.254/latest/meta-data' } }));
  expect(redirected).toMatchObject({ status: 'FAILED', errorCode: 'BAD_USER_INPUT', errorMessage: expect.stringContaining('302') });
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

it('a server that gives the same page for ever is not asked for ever', async () => {
  const { status } = await bring((path) =>
    path.includes('experiments/search') ? ok({ experiments: [EXPERIMENT], next_page_token: 'again' }) : nothing(path),
  );
  expect(status).toBe('SUCCEEDED');
  expect(asked.filter((path) => path.includes('experiments/search'))).toHaveLength(2);
});
