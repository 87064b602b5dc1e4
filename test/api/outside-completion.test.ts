import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineModule } from '../../src/define-module.js';
import type { Actor } from '../../src/db/database.js';
import { defineJob } from '../../src/jobs/engine/define-job.js';
import { loadModules } from '../../src/modules.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { defineJobKind } from '../../src/modules/jobs/job-kind.js';
import { VALIDATION } from '../../src/modules/evaluation/validation.job-kind.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { CancelJobForOutsideCompletionDocument, JobForOutsideCompletionDocument } from '../generated/operations.js';

/** Work that runs on a cluster: the attempt hands it over and waits until it has reported its end. */
const CLUSTER_WORK = defineJobKind({
  kind: 'CLUSTER_WORK',
  about: 'Work on a cluster.',
  input: z.object({ steps: z.int() }),
  result: z.object({ loss: z.number() }),
  resources: { cores: 0, memoryBytes: 0, gpus: 0 },
  maxAtOnce: 20,
  retry: { attempts: 2, backoffMs: 10 },
  timeoutMs: 60_000,
  completesOutside: true,
});

/** Tokens that the cluster got, by job, one for each attempt. */
const handedOver = new Map<string, string[]>();

const clusterModule = defineModule({
  name: 'cluster',
  jobs: [
    defineJob({
      ...CLUSTER_WORK,
      async run(_services: object, attempt) {
        const token = await attempt.outsideToken();
        await attempt.write((session) =>
          attempt.attach(session, { backend: 'cluster', id: `work-${attempt.number}`, state: 'PENDING' }),
        );
        handedOver.set(attempt.job.id, [...(handedOver.get(attempt.job.id) ?? []), token]);
        await new Promise<void>((_resolve, reject) =>
          attempt.signal.addEventListener('abort', () => reject(attempt.signal.reason as Error), { once: true }),
        );
      },
    }),
  ],
});

let service: TestService;
let tess: Caller;
let actor: Actor;
beforeAll(async () => {
  service = await startTestService({}, undefined, [...(await loadModules()), clusterModule]);
  tess = await service.as();
  const principal = { subject: 'tess', tenant: 'acme', role: Role.ENGINEER, expiresAt: new Date(Date.now() + 600_000) };
  actor = { principal, requestId: 'test' };
});
afterAll(() => service?.close());

interface Job {
  kind: string;
  outcome: object | null;
  status: string;
  attempt: number;
  progress: number;
  message: string;
  result: unknown;
  errorCode: string | null;
  errorMessage: string | null;
  external: object | null;
}

const jobs = () => service.app.context.services.jobs;

async function begin(): Promise<{ id: string; token: string }> {
  const { id } = await service.app.context.db.transact(actor, async (session) =>
    jobs().create(session, CLUSTER_WORK, { input: { steps: 3 } }),
  );
  return { id, token: await tokenOf(id, 1) };
}

async function tokenOf(id: string, attempt: number): Promise<string> {
  await expect.poll(() => handedOver.get(id)?.length ?? 0, { timeout: 15_000 }).toBe(attempt);
  return handedOver.get(id)![attempt - 1]!;
}

async function report(id: string, token: string, body: object) {
  const response = await fetch(`${service.url}/v1/jobs/${id}/complete`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function jobOf(id: string): Promise<Job> {
  return (await tess.ok(JobForOutsideCompletionDocument, { id })).job;
}

describe('work outside the service', () => {
  it('reports progress and the result with the token of its attempt', async () => {
    const { id, token } = await begin();
    const progress = { fraction: 0.5, message: 'Step 2 of 3', state: 'RUNNING' };
    expect(await report(id, token, { progress })).toEqual({ status: 200, body: { id, status: 'RUNNING', attempt: 1 } });
    expect(await jobOf(id)).toMatchObject({
      ...{ status: 'RUNNING', progress: 0.5, message: 'Step 2 of 3' },
      external: { backend: 'cluster', id: 'work-1', state: 'RUNNING' },
    });
    expect(await report(id, token, { result: { loss: 0.25 } })).toMatchObject({ body: { status: 'SUCCEEDED' } });
    expect(await jobOf(id)).toMatchObject({ status: 'SUCCEEDED', progress: 1, result: { loss: 0.25 } });
  });

  it('is a kind of the API although it has no outcome', async () => {
    const { id, token } = await begin();
    await report(id, token, { result: { loss: 0.5 } });
    expect(await jobOf(id)).toMatchObject({ kind: 'CLUSTER_WORK', outcome: null });
    const { jobs: found, __type: kinds } = await tess.ok<{
      jobs: { edges: { node: { id: string } }[] };
      __type: { enumValues: { name: string; description: string }[] };
    }>(
      `{ jobs(filter: { kind: CLUSTER_WORK }, first: 1) { edges { node { id } } }
         __type(name: "JobKind") { enumValues { name description } } }`,
    );
    expect(found.edges).toEqual([{ node: { id } }]);
    expect(kinds.enumValues).toContainEqual({ name: 'CLUSTER_WORK', description: CLUSTER_WORK.about });
    expect(kinds.enumValues).toContainEqual({ name: VALIDATION.kind, description: VALIDATION.about });
  });

  it('has its result checked by the schema of the kind', async () => {
    const { id, token } = await begin();
    expect(await report(id, token, { result: { loss: 'low' } })).toMatchObject({
      status: 400,
      body: { code: 'BAD_USER_INPUT', field: 'result.loss' },
    });
    for (const body of [{}, { result: { loss: 1 }, failure: { message: 'no', retry: false } }, { progress: 1 }])
      expect(await report(id, token, body)).toMatchObject({ status: 400, body: { code: 'BAD_USER_INPUT' } });
    expect(await jobOf(id)).toMatchObject({ status: 'RUNNING' });
  });

  it('that failed is retried, or not, as it says', async () => {
    const { id, token } = await begin();
    expect(await report(id, token, { failure: { message: 'A node was lost.', retry: true } })).toMatchObject({
      body: { status: 'QUEUED', attempt: 2 },
    });
    const second = await tokenOf(id, 2);
    expect(await report(id, token, { result: { loss: 1 } })).toMatchObject({
      status: 409,
      body: { code: 'CONFLICT', message: expect.stringContaining('Attempt 1 of job') },
    });
    await report(id, second, { failure: { message: 'The data are empty.', retry: false } });
    expect(await jobOf(id)).toMatchObject({
      ...{ status: 'FAILED', attempt: 2, errorCode: 'CONFLICT', errorMessage: 'The data are empty.' },
    });
    expect(await report(id, second, { result: { loss: 1 } })).toMatchObject({
      status: 409,
      body: { code: 'CONFLICT', message: expect.stringContaining('has already ended (FAILED)') },
    });
  });

  it('is told to stop when its job was cancelled', async () => {
    const { id, token } = await begin();
    await tess.ok(CancelJobForOutsideCompletionDocument, { id });
    expect(await report(id, token, { progress: { fraction: 1, message: '' } })).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('CANCELLED') },
    });
  });

  it('needs the token of exactly this job, which is valid for nothing else', async () => {
    const [mine, other] = [await begin(), await begin()];
    // Not the last character, some of whose bits say nothing.
    const forged = mine.token.replace(/.(?=.{9}$)/, (one) => (one === 'A' ? 'B' : 'A'));
    const altered = mine.token.split('.').with(1, other.token.split('.')[1]!).join('.');
    for (const token of [other.token, tess.token, forged, altered, 'matih-job', 'matih-job.e30.', `${mine.token}.x`])
      expect(await report(mine.id, token, { result: { loss: 1 } })).toMatchObject({
        status: 401,
        body: { code: 'UNAUTHENTICATED' },
      });
    expect(await report(mine.id, '', { result: { loss: 1 } })).toMatchObject({ status: 401 });
    const stolen = await fetch(`${service.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${mine.token}` },
      body: JSON.stringify({ query: '{ jobs { nodes { id } } }' }),
    });
    expect(await stolen.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
    expect(await jobOf(mine.id)).toMatchObject({ status: 'RUNNING' });
  });

  it('gets no token for a kind that a worker of the service completes', async () => {
    const job = await service.app.context.db.transact(actor, async (session) =>
      jobs().create(session, VALIDATION, { input: {} }),
    );
    await expect(service.app.context.services.outsideCompletion.tokenOf(job)).rejects.toThrow(
      'is completed by a worker of this service',
    );
  });
});
