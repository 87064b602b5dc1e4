import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Actor } from '../../src/db/database.js';
import { sql } from '../../src/db/sql.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { AppError, ErrorCode } from '../../src/errors.js';
import { JOB_CATALOG } from '../../src/modules/jobs/rules/job-catalog.js';
import { consumeJobs, type JobHandlers } from '../../src/jobs/kit.js';
import type { Attempt } from '../../src/modules/jobs/attempt.js';
import { startTestService, type TestService } from '../support/service.js';
import { JobProgressSeqDocument } from '../generated/operations.js';

let service: TestService;
let actor: Actor;
beforeAll(async () => {
  // No worker: the attempts are the tests' own.
  service = await startTestService({ ROLE: 'api' });
  actor = {
    principal: { subject: 'tess', tenant: 'acme', role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) },
    requestId: 'test',
  };
});
afterAll(() => service?.close());

const db = () => service.app.context.db;
const jobs = () => service.app.context.services.jobs;

async function newJob(kind: 'TRAINING' | 'VALIDATION', config = {}): Promise<string> {
  return db().transact(actor, async (session) => jobs().create(session, { kind, config }).id);
}

async function statusOf(id: string): Promise<unknown> {
  const { status, attempt } = await db().transact(actor, (session) => jobs().get(session, id));
  return { status, attempt };
}

describe('a job', () => {
  it('that is cancelled while its attempt fails stays cancelled', async () => {
    const id = await newJob('VALIDATION');
    const job = (await jobs().claim(id, 1))!;
    let failed: Promise<void> | undefined;
    await db().transact(actor, async (session) => {
      await jobs().cancel(session, id);
      failed = jobs().attemptFailed(job, new Error('boom'));
      // Time for the failure to read the job before the cancellation commits.
      await new Promise((resolve) => setTimeout(resolve, 200));
    });
    await failed;
    expect(await statusOf(id)).toEqual({ status: 'CANCELLED', attempt: 1 });
  });

  it('that has ended ends the subscription of a client that knows its last step', async () => {
    const id = await newJob('VALIDATION');
    const { eventSeq } = await db().transact(actor, (session) => jobs().cancel(session, id));
    const tess = await service.as();
    const never = () => false;
    expect(await tess.collect(JobProgressSeqDocument, { jobId: id, after: eventSeq - 1 }, never)).toEqual([
      { seq: eventSeq },
    ]);
    expect(await tess.collect(JobProgressSeqDocument, { jobId: id, after: eventSeq }, never)).toEqual([]);
  }, 10_000);

  it('of any kind is handed back when its process stops, and nothing counts as a failure', async () => {
    const leaving = new AbortController();
    const worker = await startTestService({ ROLE: 'api', RECONCILE_INTERVAL_MS: '60000' });
    try {
      const { context } = worker.app;
      const handler = (attempt: Attempt) =>
        new Promise<void>((_resolve, reject) =>
          attempt.signal.addEventListener('abort', () => reject(new Error('ended'))),
        );
      const handlers = Object.fromEntries(Object.keys(JOB_CATALOG).map((kind) => [kind, handler])) as JobHandlers;
      const runtime = { ...context, jobs: context.services.jobs, heartbeatTimeoutMs: 20_000, leaving: leaving.signal };
      const ids = await context.db.transact(actor, async (session) =>
        (['EVALUATION', 'VALIDATION'] as const).map(
          (kind) => context.services.jobs.create(session, { kind, config: {} }).id,
        ),
      );
      const read = () =>
        context.db.transact(actor, (session) => Promise.all(ids.map((id) => context.services.jobs.get(session, id))));
      await consumeJobs(runtime, handlers, 2);
      await context.services.jobs.dispatch();
      await expect
        .poll(async () => (await read()).map(({ status }) => status), { timeout: 10_000 })
        .toEqual(['RUNNING', 'RUNNING']);
      leaving.abort();
      await expect
        .poll(read, { timeout: 10_000 })
        .toMatchObject(ids.map(() => ({ status: 'QUEUED', attempt: 2, failures: 0 })));
    } finally {
      await worker.close();
    }
  });

  it('that failed tells of the model that its training was for', async () => {
    const modelId = randomUUID();
    const id = await newJob('TRAINING', { registerModelId: modelId });
    const job = (await jobs().claim(id, 1))!;
    await jobs().attemptFailed(job, new AppError(ErrorCode.BAD_USER_INPUT, 'No such column.'));
    const [event] = await db().asSystem((em) =>
      sql<{ type: string; modelId: string }>(em, 'select type, model_id as "modelId" from event where subject_id = ?', [
        id,
      ]),
    );
    expect(event).toEqual({ type: 'MODEL_TRAINING_FAILED', modelId });
  });

  it('that is new is offered to the queue before those that wait there already', async () => {
    await db().asSystem((em) =>
      sql(
        em,
        `insert into job (id, tenant, kind, config, created_by, created_at, enqueued_attempt, enqueued_at)
         select gen_random_uuid(), 'acme', 'VALIDATION', '{}', 'tess', now() - interval '1 hour', 1, now() - interval '1 hour' from generate_series(1, 500)`,
      ),
    );
    const id = await newJob('VALIDATION');
    await jobs().dispatch();
    const { enqueuedAttempt } = await db().transact(actor, (session) => jobs().get(session, id));
    expect(enqueuedAttempt).toBe(1);
  });
});
