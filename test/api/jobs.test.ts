import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Actor } from '../../src/db/database.js';
import { sql } from '../support/sql.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { AppError, ErrorCode } from '../../src/errors.js';
import type { JobDefinition, StoredAttempt } from '../../src/jobs/engine/define-job.js';
import { consumeJobs } from '../../src/jobs/engine/run-jobs.js';
import { loadModules } from '../../src/modules.js';
import type { Services } from '../../src/services.js';
import { EVALUATION } from '../../src/modules/evaluation/evaluation.job-kind.js';
import { VALIDATION } from '../../src/modules/evaluation/validation.job-kind.js';
import type { Attempt } from '../../src/modules/jobs/attempt.js';
import { TRAINING } from '../../src/modules/training/training.job-kind.js';
import { startTestService, type TestService } from '../support/service.js';
import { JobForJobsDocument, JobLastFailureDocument, JobProgressSeqDocument } from '../generated/operations.js';

let service: TestService;
let actor: Actor;
let allJobs: JobDefinition<Services>[];
beforeAll(async () => {
  allJobs = (await loadModules()).flatMap((module) => module.jobs);
  // No worker: the tests run the attempts themselves.
  service = await startTestService({ ROLE: 'api' });
  actor = {
    principal: { subject: 'tess', tenant: 'acme', role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) },
    requestId: 'test',
  };
});
afterAll(() => service?.close());

const db = () => service.app.context.db;
const jobs = () => service.app.context.services.jobs;

async function newJob(): Promise<string> {
  return db().transact(actor, async (session) => jobs().create(session, VALIDATION, { input: {} }).id);
}

/** As `startTraining` would store it. */
const TRAINING_CONFIG: z.input<typeof TRAINING.input>['training'] = {
  algorithm: 'LINEAR_REGRESSION',
  target: { column: 'y' },
  features: [{ column: 'x', kind: 'NUMERIC' }],
  split: { by: 'RATIO', validation: 0.1, holdout: 0.2 },
};

/** Room for two jobs, whatever resources they need. */
const MACHINE = { slots: 2, cores: 1000, memoryBytes: Number.MAX_SAFE_INTEGER, gpus: 0, queues: ['default'] };

/** The parts that `consumeJobs` needs, as in a separate process. */
function runtimeOf({ app: { context } }: TestService, leaving: AbortSignal) {
  const { services } = context;
  return {
    ...context,
    jobs: services.jobs,
    scheduler: services.scheduler,
    outsideCompletion: services.outsideCompletion,
    heartbeatTimeoutMs: 20_000,
    leaving,
  };
}

async function statusOf(id: string): Promise<unknown> {
  const { status, attempt } = await db().transact(actor, (session) => jobs().get(session, id));
  return { status, attempt };
}

describe('a job', () => {
  it('that is cancelled while its attempt fails stays cancelled', async () => {
    const id = await newJob();
    const job = (await jobs().claim(id, 1))!;
    let failed: Promise<void> | undefined;
    await db().transact(actor, async (session) => {
      await jobs().cancel(session, id);
      failed = jobs().attemptFailed(job, new Error('boom'));
      // Time for the failure to read the job before the cancellation is committed.
      await new Promise((resolve) => setTimeout(resolve, 200));
    });
    await failed;
    expect(await statusOf(id)).toEqual({ status: 'CANCELLED', attempt: 1 });
  });

  it('that has ended ends the subscription of a client that has received its last step', async () => {
    const id = await newJob();
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
      const definitions = allJobs.map((job) => ({ ...job, run: (_: unknown, attempt: Attempt) => handler(attempt) }));
      const runtime = runtimeOf(worker, leaving.signal);
      const ids = await context.db.transact(actor, async (session) =>
        [
          context.services.jobs.create(session, EVALUATION, {
            input: { baselineVersionId: null, baselineRequired: false, target: null },
          }),
          context.services.jobs.create(session, VALIDATION, { input: {} }),
        ].map(({ id }) => id),
      );
      const read = () =>
        context.db.transact(actor, (session) => Promise.all(ids.map((id) => context.services.jobs.get(session, id))));
      await consumeJobs(runtime, definitions, context.services, MACHINE);
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

  it('that failed shows the model for which its training ran', async () => {
    const modelId = randomUUID();
    const input = { training: TRAINING_CONFIG, registerModelId: modelId };
    const id = await db().transact(actor, async (session) => jobs().create(session, TRAINING, { input }).id);
    const job = (await jobs().claim(id, 1))!;
    await jobs().attemptFailed(job, new AppError(ErrorCode.BAD_USER_INPUT, 'No such column.'));
    const [event] = await db().asSystem((em) =>
      sql<{ type: string; modelId: string }>(em, 'select type, model_id as "modelId" from event where subject_id = ?', [
        id,
      ]),
    );
    expect(event).toEqual({ type: 'MODEL_TRAINING_FAILED', modelId });
  });

  it('tells the class and the reason of its last failure, and is retried by the class', async () => {
    const tess = await service.as({ subject: 'tess' });
    const viewOf = async (id: string) => (await tess.ok(JobLastFailureDocument, { id })).job;
    const failed = async (error: Error) => {
      const id = await newJob();
      await jobs().attemptFailed((await jobs().claim(id, 1))!, error);
      return viewOf(id);
    };
    for (const [code, name] of [
      [ErrorCode.NOT_FOUND, 'MISTAKE'],
      [ErrorCode.RESOURCE_EXHAUSTED, 'LIMIT'],
      [ErrorCode.DEADLINE_EXCEEDED, 'TIME'],
    ] as const)
      expect(await failed(new AppError(code, 'Why.'))).toEqual({
        ...{ status: 'FAILED', attempt: 1, errorCode: code },
        lastFailure: { class: name, message: 'Why.', isRetried: false, inARow: 1 },
      });
    expect(await failed(new AppError(ErrorCode.UNAVAILABLE, 'Away.'))).toEqual({
      ...{ status: 'QUEUED', attempt: 2, errorCode: null },
      lastFailure: { class: 'UNAVAILABLE', message: 'Away.', isRetried: true, inARow: 1 },
    });
    const unexpected = await failed(new Error('secret'));
    expect(unexpected).toMatchObject({ status: 'QUEUED', lastFailure: { class: 'UNEXPECTED', isRetried: true } });
    expect(JSON.stringify(unexpected)).not.toContain('secret');

    // Each attempt is lost: the last one that the kind allows ends the job.
    const id = await newJob();
    for (let attempt = 1; attempt <= VALIDATION.retry.attempts; attempt++) {
      await jobs().claim(id, attempt);
      await db().asSystem((em) =>
        sql(em, `update job set heartbeat_at = now() - interval '1 hour' where id = ? and status = 'RUNNING'`, [id]),
      );
      await jobs().reconcile(60_000);
    }
    expect(await viewOf(id)).toEqual({
      ...{ status: 'FAILED', attempt: VALIDATION.retry.attempts, errorCode: 'UNAVAILABLE' },
      lastFailure: {
        ...{ class: 'WORKER_LOST', message: 'Its worker was lost', isRetried: true },
        inARow: VALIDATION.retry.attempts,
      },
    });
  });

  it('that is lost and cannot be read any more ends, and the other lost jobs continue', async () => {
    const input = { training: TRAINING_CONFIG, registerModelId: null };
    const old = await db().transact(actor, async (session) => jobs().create(session, TRAINING, { input }).id);
    const other = await newJob();
    for (const id of [old, other]) await jobs().claim(id, 1);
    // As another release could have stored it; its last allowed attempt is lost, first of all.
    await db().asSystem((em) =>
      sql(
        em,
        `update job set config = case when id = ? then '{"training": {}}'::jsonb else config end,
          failures = case when id = ? then 2 else 0 end,
          heartbeat_at = now() - case when id = ? then interval '2 hours' else interval '1 hour' end
          where id in (?, ?)`,
        [old, old, old, old, other],
      ),
    );
    await jobs().reconcile(60_000);
    expect([await statusOf(old), await statusOf(other)]).toEqual([
      { status: 'FAILED', attempt: 1 },
      { status: 'QUEUED', attempt: 2 },
    ]);
    await db().transact(actor, (session) => jobs().cancel(session, other));
  });

  it('that is new is sent to the queue before those that wait there already', async () => {
    await db().asSystem((em) =>
      sql(
        em,
        `insert into job (id, tenant, kind, config, created_by, created_at, enqueued_attempt, enqueued_at)
         select gen_random_uuid(), 'acme', 'VALIDATION', '{}', 'tess', now() - interval '1 hour', 1,
           now() - interval '1 hour' from generate_series(1, 500)`,
      ),
    );
    const id = await newJob();
    await jobs().dispatch();
    const { enqueuedAttempt } = await db().transact(actor, (session) => jobs().get(session, id));
    expect(enqueuedAttempt).toBe(1);
  });

  it('waits for its time, and the waiting job with the highest priority runs first', async () => {
    const worker = await startTestService({ ROLE: 'api', RECONCILE_INTERVAL_MS: '60000' });
    const leaving = new AbortController();
    try {
      const { context } = worker.app;
      const began: string[] = [];
      const definitions = allJobs.map((job) => ({
        ...job,
        run: async (_: unknown, attempt: StoredAttempt) => {
          began.push(attempt.job.id);
          await attempt.succeed({});
        },
      }));
      const make = (more: { priority?: number; notBefore?: Date }) =>
        context.db.transact(
          actor,
          async (session) => context.services.jobs.create(session, VALIDATION, { input: {}, ...more }).id,
        );
      const last = await make({ priority: -100 });
      const later = await make({ priority: 100, notBefore: new Date(Date.now() + 3_000) });
      const plain = await make({});
      const first = await make({ priority: 100 });
      const runtime = runtimeOf(worker, leaving.signal);
      await context.services.jobs.dispatch();
      await consumeJobs(runtime, definitions, context.services, { ...MACHINE, slots: 1 });
      await expect.poll(() => began, { timeout: 10_000 }).toEqual([first, plain, last]);
      await expect
        .poll(() => context.services.jobs.dispatch().then(() => began.at(-1)), { timeout: 10_000, interval: 500 })
        .toBe(later);
      const tess = await worker.as();
      const { job } = await tess.ok(JobForJobsDocument, { id: later });
      expect(job).toEqual({
        ...{ priority: 100, queue: 'default', notBefore: expect.any(String), parent: null, external: null },
        ...{ subjects: [], resources: { cores: 1, memoryBytes: 512 * 1024 ** 2, gpus: 0 } },
      });
    } finally {
      leaving.abort();
      await worker.close();
    }
  }, 40_000);

  it('is one of two at the same time in a process with room for two, whatever their kinds, and none waits for ever', async () => {
    const worker = await startTestService({ ROLE: 'api', RECONCILE_INTERVAL_MS: '60000' });
    const leaving = new AbortController();
    try {
      const { context } = worker.app;
      let [running, most] = [0, 0];
      const ended: string[] = [];
      const definitions = allJobs.map((job) => ({
        ...job,
        run: async (_: unknown, attempt: StoredAttempt) => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve, 150));
          running--;
          ended.push(attempt.job.id);
          await attempt.succeed({});
        },
      }));
      const working = allJobs
        .filter(({ resources }) => resources.cores > 0)
        .map((job) => ({ ...job, input: z.object({}) }));
      const whole = { cores: 1000, memoryBytes: 1, gpus: 0 };
      const ids = await context.db.transact(actor, async (session) =>
        Array.from({ length: 13 }, (_, i) => {
          const kind = working[i % working.length]!;
          // The third job needs the whole machine.
          return context.services.jobs.create(session, kind, { input: {}, ...(i === 2 && { resources: whole }) }).id;
        }),
      );
      const runtime = runtimeOf(worker, leaving.signal);
      await consumeJobs(runtime, definitions, context.services, MACHINE);
      await context.services.jobs.dispatch();
      await expect.poll(() => ended.length, { timeout: 60_000 }).toBe(13);
      expect(ended.toSorted()).toEqual(ids.toSorted());
      console.log(`13 jobs of ${working.length} kinds: at most ${most} at once`);
      expect(most).toBe(2);
    } finally {
      leaving.abort();
      await worker.close();
    }
  }, 90_000);
});
