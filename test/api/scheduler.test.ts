import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { afterEach, expect, it } from 'vitest';
import type { Actor } from '../../src/db/database.js';
import type { StoredAttempt } from '../../src/jobs/engine/define-job.js';
import { consumeJobs } from '../../src/jobs/engine/run-jobs.js';
import { loadModules } from '../../src/modules.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { VALIDATION } from '../../src/modules/evaluation/validation.job-kind.js';
import type { NewJob } from '../../src/modules/jobs/job-rows.js';
import { queueJobs, usedLately } from '../../src/modules/jobs/scheduling-store.js';
import {
  ExplainQueueDocument,
  JobLastFailureDocument,
  PauseJobDocument,
  ResumeJobDocument,
  SetJobPriorityDocument,
  SetTenantShareDocument,
  StartTrainingDetailsDocument,
} from '../generated/operations.js';
import { CARS_CONFIG, createExperiment, registerDataset, vegaPath } from '../support/training.js';
import { sql } from '../support/sql.js';
import { startTestService, type TestService } from '../support/service.js';

const MACHINE = { slots: 2, cores: 4, memoryBytes: Number.MAX_SAFE_INTEGER, gpus: 0, queues: ['default'] };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(env: Record<string, string> = {}): Promise<TestService> {
  const service = await startTestService({ ROLE: 'api', RECONCILE_INTERVAL_MS: '60000', ...env });
  cleanups.push(() => service.close());
  return service;
}

const actorOf = (tenant: string): Actor => ({
  principal: { subject: 'tess', tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + 600_000) },
  requestId: 'test',
});

type More = Partial<Pick<NewJob<typeof VALIDATION>, 'priority' | 'resources' | 'workers' | 'maxDurationMs'>>;

function newJob({ app: { context } }: TestService, tenant: string, more: More = {}): Promise<string> {
  return context.db.transact(
    actorOf(tenant),
    async (session) => context.services.jobs.create(session, VALIDATION, { input: {}, ...more }).id,
  );
}

/** Runs the jobs of a service in this process: each until `release` is called, or for `workMs`. */
async function startWorker({ app: { context } }: TestService, machine = MACHINE, workMs: number | null = null) {
  const began: string[] = [];
  const releases: (() => void)[] = [];
  const attempts: StoredAttempt[] = [];
  const definitions = (await loadModules())
    .flatMap((module) => module.jobs)
    .map((job) => ({
      ...job,
      ...{ input: z.object({}), maxAtOnce: 10, keepsProgress: true },
      run: async (_: unknown, attempt: StoredAttempt) => {
        began.push(attempt.job.id);
        attempts.push(attempt);
        await new Promise<void>((resolve) => {
          releases.push(resolve);
          if (workMs !== null) setTimeout(resolve, workMs);
          attempt.signal.addEventListener('abort', () => resolve(), { once: true });
        });
        attempt.signal.throwIfAborted();
        await attempt.succeed({});
      },
    }));
  const leaving = new AbortController();
  const { services } = context;
  const { jobs, scheduler, outsideCompletion } = services;
  const runtime = {
    ...context,
    jobs,
    scheduler,
    outsideCompletion,
    heartbeatTimeoutMs: 20_000,
    leaving: leaving.signal,
  };
  const ended = await consumeJobs(runtime, definitions, services, machine);
  cleanups.push(() => {
    leaving.abort();
    return ended();
  });
  /** What a training does at a checkpoint. */
  const storeProgress = async (id: string) => {
    const attempt = attempts.findLast(({ job }) => job.id === id)!;
    await attempt.write((session) => attempt.forgiveFailures(session));
  };
  return { began, storeProgress, release: () => releases.splice(0).forEach((each) => each()) };
}

it('a tenant with one job does not wait behind all jobs of another tenant', async () => {
  const service = await start();
  const many = [];
  for (let i = 0; i < 8; i++) many.push(await newJob(service, 'acme'));
  const own = await newJob(service, 'globex');
  const { began, release } = await startWorker(service, { ...MACHINE, slots: 1 });
  await service.app.context.services.jobs.dispatch();
  await expect.poll(() => began.length, { timeout: 10_000 }).toBe(1);
  expect(began).toEqual([many[0]]);
  // So that its tenant has used something.
  await new Promise((resolve) => setTimeout(resolve, 500));
  release();
  await expect.poll(() => began.length, { timeout: 10_000 }).toBe(2);
  expect(began[1]).toBe(own);
}, 60_000);

it('jobs that no machine has room for do not keep a small job of the same tenant and kind', async () => {
  const service = await start();
  const resources = { cores: 1, memoryBytes: 0, gpus: 1 };
  for (let i = 0; i < 25; i++) await newJob(service, 'acme', { resources });
  const own = await newJob(service, 'acme');
  const { began } = await startWorker(service);
  await service.app.context.services.jobs.dispatch();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([own]);
}, 60_000);

it('a job explains its place, what is ahead, the share of its tenant, and when it will begin', async () => {
  const service = await start();
  const tess = await service.as();
  const alone = await newJob(service, 'acme');
  const away = await tess.ok(ExplainQueueDocument, { jobId: alone });
  expect(away.explainQueue).toMatchObject({ reason: 'NO_WORKER', expectedStart: null });
  expect(away.explainQueue.sentence).toContain('WORKER_QUEUES');

  const { began, release } = await startWorker(service, { ...MACHINE, slots: 1 });
  await service.app.context.services.jobs.dispatch();
  await expect.poll(() => began.length, { timeout: 10_000 }).toBe(1);
  const runs = await tess.ok(ExplainQueueDocument, { jobId: alone });
  expect(runs.explainQueue).toMatchObject({ position: null, reason: null, share: { used: 0.25, deserved: 1 } });
  // So that there is a history.
  release();
  await expect
    .poll(async () => (await tess.ok(ExplainQueueDocument, { jobId: alone })).explainQueue.sentence)
    .toContain('SUCCEEDED');

  const first = await newJob(service, 'acme');
  await service.app.context.services.jobs.dispatch();
  await expect.poll(() => began.at(-1), { timeout: 10_000 }).toBe(first);
  const others = [await newJob(service, 'globex'), await newJob(service, 'globex')];
  const before = await newJob(service, 'acme', { priority: 5 });
  const last = await newJob(service, 'acme');
  const { explainQueue } = await tess.ok(ExplainQueueDocument, { jobId: last });
  console.log(explainQueue.sentence, explainQueue.expectedStart);
  expect(explainQueue).toMatchObject({
    job: { id: last },
    position: 4,
    ahead: [{ id: before }],
    aheadOfOtherTenants: 2,
    reason: 'BEHIND_OTHERS',
    share: { weight: 1, deserved: 0.5, used: 0.25, quota: { cores: null }, borrowed: { cores: 0 } },
  });
  const { earliest, median, latest } = explainQueue.expectedStart!;
  expect(Date.parse(earliest)).toBeLessThanOrEqual(Date.parse(median));
  expect(Date.parse(median)).toBeLessThanOrEqual(Date.parse(latest!));

  // Another tenant sees the jobs of this one only as a number.
  const globex = await service.as({ tenant: 'globex' });
  const theirs = await globex.ok(ExplainQueueDocument, { jobId: others[1]! });
  expect(theirs.explainQueue.ahead).toEqual([{ id: others[0] }]);

  await tess.ok(SetJobPriorityDocument, { jobId: last, priority: 100 });
  expect((await tess.ok(ExplainQueueDocument, { jobId: last })).explainQueue.ahead).toEqual([]);
  expect(await tess.fails(SetJobPriorityDocument, { jobId: first, priority: 1 })).toMatchObject({
    extensions: { code: 'CONFLICT', expected: 'a queued job', got: 'RUNNING' },
  });
}, 60_000);

it('an ADMIN gives a tenant a quota, which holds while the machine is idle, and another share needs the operator', async () => {
  const service = await start();
  const admin = await service.as({ role: Role.ADMIN });
  const input = { weight: 2, quota: { cores: 1 }, borrowingLimit: { cores: 0 } };
  const none = { memoryBytes: null, gpus: null };
  expect((await admin.ok(SetTenantShareDocument, { input })).setTenantShare.share).toEqual({
    ...{ weight: 2, quota: { cores: 1, ...none }, borrowingLimit: { cores: 0, ...none } },
  });
  const engineer = await service.as();
  expect((await engineer.fails(SetTenantShareDocument, { input })).extensions.code).toBe('FORBIDDEN');
  expect(await admin.fails(SetTenantShareDocument, { input: { ...input, tenant: 'globex' } })).toMatchObject({
    extensions: { code: 'FORBIDDEN', field: 'input.tenant' },
  });

  const first = await newJob(service, 'acme');
  const second = await newJob(service, 'acme');
  const { began } = await startWorker(service);
  await service.app.context.services.jobs.dispatch();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([first]);
  const theirs = await newJob(service, 'globex');
  await service.app.context.services.jobs.dispatch();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([first, theirs]);
  expect((await engineer.ok(ExplainQueueDocument, { jobId: second })).explainQueue).toMatchObject({
    reason: 'LIMIT',
    share: { quota: { cores: 1 }, borrowed: { cores: 0 }, weight: 2 },
  });
}, 60_000);

it('a quota of 0 lets nothing begin but what is borrowed, and a share that changes counts for jobs that wait', async () => {
  const service = await start();
  const { jobs } = service.app.context.services;
  const admin = await service.as({ role: Role.ADMIN });
  const setShare = (input: object) => admin.ok(SetTenantShareDocument, { input: { weight: 1, ...input } });
  const reasonOf = async (jobId: string) => (await admin.ok(ExplainQueueDocument, { jobId })).explainQueue.reason;
  await setShare({ quota: { cores: 0 }, borrowingLimit: { cores: 0 } });
  const own = await newJob(service, 'acme');
  const theirs = await newJob(service, 'globex', { resources: { cores: 3, memoryBytes: 1, gpus: 0 } });
  const { began } = await startWorker(service, { ...MACHINE, slots: 4 });
  await jobs.dispatch();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([theirs]);
  await jobs.dispatch();
  expect(await reasonOf(own)).toBe('LIMIT');

  // What another tenant waits for comes before what must be borrowed.
  const waits = await newJob(service, 'globex', { resources: { cores: 2, memoryBytes: 1, gpus: 0 } });
  await setShare({ quota: { cores: 0 } });
  await jobs.dispatch();
  expect(await reasonOf(own)).toBe('BORROWING');
  expect(began).toEqual([theirs]);
  await setShare({ quota: { cores: 1 } });
  await jobs.dispatch();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([theirs, own]);
  expect(await stateOf(service, 'globex', waits)).toMatchObject({ status: 'QUEUED' });
}, 60_000);

it('the operator sets the shares of all tenants, and no other ADMIN sets any', async () => {
  const service = await start({ OPERATOR_TENANT: 'ops' });
  const ops = await service.as({ tenant: 'ops', role: Role.ADMIN });
  const { share } = (await ops.ok(SetTenantShareDocument, { input: { tenant: 'acme', weight: 3 } })).setTenantShare;
  expect(share.weight).toBe(3);
  const admin = await service.as({ role: Role.ADMIN });
  expect((await admin.fails(SetTenantShareDocument, { input: { weight: 9 } })).extensions.code).toBe('FORBIDDEN');
  const refused = await ops.fails(SetTenantShareDocument, { input: { tenant: 'Not A Name' } });
  expect(refused.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.tenant' });
}, 60_000);

const stateOf = async ({ app: { context } }: TestService, tenant: string, id: string) => {
  const { status, attempt, failures, errorCode } = await context.db.transact(actorOf(tenant), (session) =>
    context.services.jobs.get(session, id),
  );
  return { status, attempt, failures, errorCode };
};

it('a paused job does not begin, and a running one stops at its next progress and continues after resumeJob', async () => {
  const service = await start();
  const tess = await service.as();
  const { jobs } = service.app.context.services;
  const { began, storeProgress } = await startWorker(service, { ...MACHINE, slots: 1 });
  const runs = await newJob(service, 'acme');
  await jobs.dispatch();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([runs]);
  const waits = await newJob(service, 'acme');
  const { pauseJob } = await tess.ok(PauseJobDocument, { input: { jobId: waits } });
  expect(pauseJob.job).toEqual({ status: 'QUEUED', pausedAt: expect.any(String) });
  const { explainQueue } = await tess.ok(ExplainQueueDocument, { jobId: waits });
  expect(explainQueue).toMatchObject({ reason: 'PAUSED', position: null });
  expect((await tess.fails(PauseJobDocument, { input: { jobId: waits } })).extensions.code).toBe('CONFLICT');

  await tess.ok(PauseJobDocument, { input: { jobId: runs } });
  // Its worker must have seen it.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(await stateOf(service, 'acme', runs)).toMatchObject({ status: 'RUNNING', attempt: 1 });
  await storeProgress(runs);
  await expect
    .poll(() => stateOf(service, 'acme', runs), { timeout: 10_000 })
    .toEqual({ status: 'QUEUED', attempt: 2, failures: 0, errorCode: null });
  await jobs.dispatch();
  expect(began).toEqual([runs]);

  await tess.ok(ResumeJobDocument, { input: { jobId: runs } });
  await jobs.dispatch();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([runs, runs]);
  expect((await tess.fails(ResumeJobDocument, { input: { jobId: runs } })).extensions).toMatchObject({
    ...{ code: 'CONFLICT', expected: 'a paused job', got: 'RUNNING' },
  });
}, 60_000);

it('one job of a tenant with too much is asked to make room for a job of another tenant', async () => {
  const service = await start({ PREEMPT_AFTER_MS: '1000' });
  const { context } = service.app;
  const { jobs } = context.services;
  const two = { resources: { cores: 2, memoryBytes: 1, gpus: 0 } };
  const { began } = await startWorker(service);
  const many = [await newJob(service, 'acme', two), await newJob(service, 'acme', two)];
  await jobs.dispatch();
  await expect.poll(() => began.length, { timeout: 10_000 }).toBe(2);
  const other = await newJob(service, 'globex', two);
  await context.db.asSystem((em) =>
    sql(em, `update job set created_at = now() - interval '1 minute' where id = ?`, [other]),
  );
  const asked = () =>
    context.db.asSystem((em) => sql<{ id: string }>(em, 'select id from job where preempted_at is not null'));
  await expect.poll(async () => (await asked()).length, { timeout: 20_000 }).toBe(1);
  const [replaced] = (await asked()).map(({ id }) => id);
  // Both began at the same time.
  expect(many).toContain(replaced);
}, 90_000);

it('the job for which others made room begins in it, although its tenant has used more lately', async () => {
  const service = await start({ PREEMPT_AFTER_MS: '1000' });
  const { context } = service.app;
  const { jobs } = context.services;
  const change = (text: string, params: unknown[]) => context.db.asSystem((em) => sql(em, text, params));
  const two = { resources: { cores: 2, memoryBytes: 1, gpus: 0 } };
  const past = await newJob(service, 'globex', { resources: { cores: 4 } });
  await change(
    `update job set status = 'SUCCEEDED', begun_at = now() - interval '20 minutes',
      ended_at = now() - interval '5 minutes' where id = ?`,
    [past],
  );
  const { began, storeProgress } = await startWorker(service);
  const many = [await newJob(service, 'acme', two), await newJob(service, 'acme', two)];
  await jobs.dispatch();
  await expect.poll(() => began.length, { timeout: 10_000 }).toBe(2);
  const more = await newJob(service, 'acme', two);
  const other = await newJob(service, 'globex', two);
  await change(`update job set created_at = now() - interval '35 seconds' where id = ?`, [other]);
  const asked = () =>
    context.db.asSystem((em) => sql<{ id: string }>(em, 'select id from job where preempted_at is not null'));
  await expect.poll(async () => (await asked()).length, { timeout: 20_000 }).toBe(1);
  const [replaced] = (await asked()).map(({ id }) => id);
  expect(many).toContain(replaced);
  await storeProgress(replaced!);
  await expect.poll(() => began.length, { timeout: 10_000 }).toBe(3);
  expect(began[2]).toBe(other);
  expect(await stateOf(service, 'acme', more)).toMatchObject({ status: 'QUEUED', attempt: 1 });
  expect(await stateOf(service, 'acme', replaced!)).toMatchObject({ status: 'QUEUED', attempt: 2, failures: 0 });
}, 90_000);

it('what a job used before it was paused counts for its tenant', async () => {
  const service = await start({ FAIR_SHARE_HALF_LIFE_MS: '60000' });
  const { context } = service.app;
  const tess = await service.as();
  const runs = await newJob(service, 'acme');
  await context.db.asSystem((em) =>
    sql(
      em,
      `update job set status = 'RUNNING', heartbeat_at = now(), begun_at = now() - interval '60 seconds' where id = ?`,
      [runs],
    ),
  );
  const { job } = await context.db.transact(actorOf('acme'), async (session) => ({
    job: await context.services.jobs.get(session, runs),
  }));
  await context.services.jobs.handBack(job, 'Its worker stopped');
  await startWorker(service);
  await tess.ok(PauseJobDocument, { input: { jobId: runs } });
  const { explainQueue } = await tess.ok(ExplainQueueDocument, { jobId: runs });
  // A minute of one of four cores, which is one half-life.
  expect(explainQueue.share.usage).toBeGreaterThan(0.11);
  expect(explainQueue.share.usage).toBeLessThanOrEqual(0.125);
}, 60_000);

it('what was used is read once: the sum of what came since is the same as the whole', async () => {
  const service = await start();
  const { db } = service.app.context;
  const halfLifeMs = 60_000;
  const ids = [];
  for (let i = 0; i < 4; i++) ids.push(await newJob(service, i < 3 ? 'acme' : 'globex'));
  const set = (id: string, columns: string) =>
    db.asSystem((em) => sql(em, `update job set ${columns} where id = ?`, [id]));
  await set(ids[0]!, `status = 'RUNNING', begun_at = now() - interval '30 seconds'`);
  await set(ids[1]!, `used_ms = 60000, used_until = now() - interval '1 minute'`);
  await set(ids[2]!, `status = 'SUCCEEDED', begun_at = now() - interval '3 minutes', ended_at = now()`);
  await set(ids[3]!, `status = 'RUNNING', begun_at = now() - interval '1 day', used_ms = 1, used_until = begun_at`);
  const first = await db.asSystem((em) => usedLately(em, halfLifeMs, null));
  const cores = 1 - 2 ** -0.5 + (0.5 - 0.25) + (1 - 2 ** -3);
  expect(first.used.get('acme')!.cores).toBeCloseTo(cores, 2);
  expect(first.used.get('globex')!.cores).toBeCloseTo(1, 2);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await set(ids[0]!, `status = 'SUCCEEDED', ended_at = now()`);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const [since, all] = await db.asSystem(async (em) => [
    await usedLately(em, halfLifeMs, first.until),
    await usedLately(em, halfLifeMs, null),
  ]);
  const kept = 2 ** -((since.until.getTime() - first.until.getTime()) / halfLifeMs);
  for (const tenant of ['acme', 'globex'])
    expect(first.used.get(tenant)!.cores * kept + since.used.get(tenant)!.cores).toBeCloseTo(
      all.used.get(tenant)!.cores,
      4,
    );
}, 60_000);

it('the first of each line are read, whatever else waits, and those that were asked for', async () => {
  const service = await start();
  const { db } = service.app.context;
  const made: { id: string; line: string; priority: number; nth: number; isReady: boolean }[] = [];
  for (let nth = 0; nth < 60; nth++) {
    const [tenant, gpus, priority] = [['acme', 'globex'][nth % 2]!, nth % 3 === 0 ? 1 : 0, nth % 5];
    const id = await newJob(service, tenant, { priority, resources: { gpus } });
    const state = nth % 7;
    made.push({ id, line: `${tenant} ${gpus}`, priority, nth, isReady: state > 1 });
    const columns = [
      `paused_at = now()`,
      `not_before = now() + interval '1 hour'`,
      `not_before = now() - interval '1 hour'`,
    ];
    await db.asSystem((em) => sql(em, `update job set ${columns[state] ?? 'priority = priority'} where id = ?`, [id]));
  }
  const first = (line: string) =>
    made
      .filter((one) => one.isReady && one.line === line)
      .toSorted((a, b) => b.priority - a.priority || a.nth - b.nth)
      .slice(0, 2);
  const lines = ['acme 0', 'acme 1', 'globex 0', 'globex 1'];
  const asked = made.findLast(({ isReady }) => isReady)!;
  const paused = made.find(({ isReady }) => !isReady)!;
  const expected = new Set([...lines.flatMap(first).map(({ id }) => id), asked.id]);
  const found = await db.asSystem((em) => queueJobs(em, { perKind: 2, ids: [asked.id, paused.id] }));
  expect(found.map(({ id }) => id).toSorted()).toEqual([...expected].toSorted());
  expect(await db.asSystem((em) => queueJobs(em, { queues: ['gpu'] }))).toEqual([]);
}, 60_000);

it('a job of several workers begins when there is room for all of them, and one that takes too long fails', async () => {
  const service = await start();
  const { jobs } = service.app.context.services;
  const { began, release } = await startWorker(service);
  const one = { cores: 1, memoryBytes: 1, gpus: 0 };
  const first = await newJob(service, 'acme', { resources: one });
  await jobs.dispatch();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([first]);
  const gang = await newJob(service, 'acme', { resources: one, workers: 4 });
  await jobs.dispatch();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(began).toEqual([first]);
  release();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([first, gang]);
  release();
  const slow = await newJob(service, 'acme', { maxDurationMs: 1_000 });
  await jobs.dispatch();
  await expect
    .poll(() => stateOf(service, 'acme', slow), { timeout: 10_000 })
    .toMatchObject({ status: 'FAILED', errorCode: 'DEADLINE_EXCEEDED' });
}, 60_000);

it('a job that ran for its maximum duration gets the same time again when a person resumes it', async () => {
  const service = await start();
  const { context } = service.app;
  const { jobs } = context.services;
  const { began, release } = await startWorker(service);
  const slow = await newJob(service, 'acme', { maxDurationMs: 3_000 });
  const isFailed = async () => {
    const failed = { status: 'FAILED', errorCode: 'DEADLINE_EXCEEDED' };
    await expect.poll(() => stateOf(service, 'acme', slow), { timeout: 10_000 }).toMatchObject(failed);
  };
  await jobs.dispatch();
  await isFailed();
  const resume = () =>
    context.db.transact(actorOf('acme'), (session) => jobs.resume(session, 'resumeTraining', slow, VALIDATION));
  await resume();
  await jobs.dispatch();
  await isFailed();
  await resume();
  await jobs.dispatch();
  await expect.poll(() => began, { timeout: 10_000 }).toEqual([slow, slow, slow]);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(await stateOf(service, 'acme', slow)).toMatchObject({ status: 'RUNNING', attempt: 3 });
  release();
  await expect.poll(() => stateOf(service, 'acme', slow), { timeout: 10_000 }).toMatchObject({ status: 'SUCCEEDED' });
}, 60_000);

it('what no machine has for a job of a person is refused at once, with what the largest has', async () => {
  const service = await start();
  const tess = await service.as();
  await startWorker(service, { ...MACHINE, memoryBytes: 8 * 1024 ** 3 });
  const input = {
    experimentId: await createExperiment(tess),
    datasetId: await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') }),
    config: CARS_CONFIG,
  };
  const refused = async (job: object) =>
    (await tess.fails(StartTrainingDetailsDocument, { input: { ...input, job } })).extensions;
  expect(await refused({ cores: 1024 })).toMatchObject({
    ...{ code: 'BAD_USER_INPUT', field: 'input.job.cores', got: '1024' },
    expected: 'at most 4 cores for all workers of the job, as many as the largest machine has',
  });
  expect(await refused({ workers: 64 })).toMatchObject({ field: 'input.job.workers', got: '64' });
  expect(await refused({ cores: 1, workers: 4, memoryBytes: 4 * 1024 ** 3 })).toMatchObject({
    ...{ field: 'input.job.memoryBytes', got: String(16 * 1024 ** 3) },
  });
  await tess.ok(StartTrainingDetailsDocument, {
    input: { ...input, job: { cores: 2, workers: 2, memoryBytes: 4 * 1024 ** 3 } },
  });
}, 60_000);

it('a job of any kind that takes too long fails, wherever its work is done, and says so', async () => {
  const service = await start();
  const { context } = service.app;
  const kinds = (await loadModules()).flatMap((module) => module.jobs);
  await startWorker(service, { ...MACHINE, slots: 64, cores: 1_000 });
  const ids = await context.db.asSystem(async (em) => {
    const made: string[] = [];
    for (const { kind, outsideAtOnce } of kinds)
      for (const queue of outsideAtOnce === undefined ? ['default'] : ['default', 'outside']) {
        const id = randomUUID();
        made.push(id);
        await sql(
          em,
          `insert into job (id, tenant, kind, config, created_by, queue, max_duration_ms)
            values (?, 'acme', ?, '{}', 'tess', ?, 1000)`,
          [id, kind, queue],
        );
      }
    return made;
  });
  await context.services.jobs.dispatch();
  const tess = await service.as();
  for (const id of ids)
    await expect
      .poll(async () => (await tess.ok(JobLastFailureDocument, { id })).job, { timeout: 30_000 })
      .toMatchObject({ status: 'FAILED', attempt: 1, errorCode: 'DEADLINE_EXCEEDED', lastFailure: { class: 'TIME' } });
  console.log(`${ids.length} jobs of ${kinds.length} kinds ended at their longest duration`);
}, 90_000);

it('a training with a GPU is refused at once where there is none, and one above the limit of its tenant too', async () => {
  const service = await start();
  const admin = await service.as({ role: Role.ADMIN });
  const input = {
    experimentId: await createExperiment(admin),
    datasetId: await registerDataset(admin, { name: 'cars', path: vegaPath('cars.json') }),
    config: CARS_CONFIG,
  };
  expect(
    (await admin.fails(StartTrainingDetailsDocument, { input: { ...input, job: { gpus: 1 } } })).extensions,
  ).toEqual(
    expect.objectContaining({
      ...{ code: 'BAD_USER_INPUT', field: 'input.job.gpus', expected: '0, because no worker has a GPU', got: '1' },
    }),
  );
  await admin.ok(SetTenantShareDocument, { input: { quota: { cores: 2 }, borrowingLimit: { cores: 1 } } });
  const tooMany = { ...input, job: { cores: 2, workers: 2 } };
  expect((await admin.fails(StartTrainingDetailsDocument, { input: tooMany })).extensions).toMatchObject({
    ...{ code: 'BAD_USER_INPUT', field: 'input.job.cores', got: '4' },
  });
  const fits = { ...input, job: { cores: 1.5, workers: 2, priority: 7, maxDurationMs: 60_000 } };
  const { startTraining } = await admin.ok(StartTrainingDetailsDocument, { input: fits });
  const job = await service.app.context.db.transact(actorOf('acme'), (session) =>
    service.app.context.services.jobs.get(session, startTraining.job.id),
  );
  expect(job).toMatchObject({ cores: 1.5, workers: 2, priority: 7, maxDurationMs: 60_000, memoryBytes: 2 * 1024 ** 3 });
}, 60_000);
