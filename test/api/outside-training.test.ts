import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { SearchRunLogsDocument, StartTrainingDocument } from '../../schema/generated/operations.js';
import type { Actor } from '../../src/db/database.js';
import { defineModule } from '../../src/define-module.js';
import { defineJob } from '../../src/jobs/engine/define-job.js';
import { loadModules } from '../../src/modules.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { defineJobKind } from '../../src/modules/jobs/job-kind.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { CARS_CONFIG, createExperiment, registerDataset, startTraining, vegaPath } from '../support/training.js';
import { query } from '../support/tracking.js';
import {
  CancelJobForOutsideCompletionDocument,
  CheckpointsOfJobDocument,
  CloneJobDocument,
  ClusterDetailsDocument,
  CreateRunForOutsideTrainingDocument,
  CreateScheduleDetailsDocument,
  MetricsOfRunDocument,
  PauseJobDocument,
  StartScheduleNowDocument,
} from '../generated/operations.js';

/** The door of trainings that run elsewhere: reports and files. The work itself is this test. */

const WORK = defineJobKind({
  kind: 'OUTSIDE_WORK',
  about: 'Work that reports from outside, while its worker waits.',
  input: z.object({}),
  result: z.object({}),
  resources: { cores: 0, memoryBytes: 0, gpus: 0 },
  maxAtOnce: 20,
  retry: { attempts: 5, backoffMs: 10 },
  timeoutMs: 60_000,
  reportsOutside: true,
  keepsProgress: true,
});

interface Begun {
  token: string;
  attempt: number;
  /** Ends the attempt with an error that another attempt follows. */
  lose(): void;
}
const begun = new Map<string, Begun[]>();

const workModule = defineModule({
  name: 'outside-work',
  jobs: [
    defineJob({
      ...WORK,
      async run(_services: object, attempt) {
        const { externalId } = attempt.job;
        // The second attempt continues the work of the first one; the third starts other work.
        const id = attempt.number === 2 ? (externalId ?? '') : `work-${attempt.number}`;
        const token = await attempt.outsideToken();
        await attempt.write((session) => attempt.attach(session, { backend: 'test', id, state: 'RUNNING' }));
        await new Promise<void>((_resolve, reject) => {
          const lose = () => reject(new Error('lost'));
          begun.set(attempt.job.id, [...(begun.get(attempt.job.id) ?? []), { token, attempt: attempt.number, lose }]);
          attempt.signal.addEventListener('abort', () => reject(attempt.signal.reason as Error), { once: true });
        });
      },
    }),
  ],
});

let service: TestService;
let tess: Caller;
let actor: Actor;
let experimentId: string;
beforeAll(async () => {
  service = await startTestService({ LOG_LEVEL: 'silent' }, undefined, [...(await loadModules()), workModule]);
  tess = await service.as();
  const principal = { subject: 'tess', tenant: 'acme', role: Role.ENGINEER, expiresAt: new Date(Date.now() + 600_000) };
  actor = { principal, requestId: 'test' };
  experimentId = await createExperiment(tess);
});
afterAll(() => service?.close());

async function begin(): Promise<{ id: string; runId: string; token: string }> {
  const { createRun } = await tess.ok(CreateRunForOutsideTrainingDocument, { input: { experimentId } });
  const runId = createRun.run.id;
  const { db, services } = service.app.context;
  const { id } = await db.transact(actor, async (session) => services.jobs.create(session, WORK, { input: {}, runId }));
  return { id, runId, token: (await attemptOf(id, 1)).token };
}

async function attemptOf(id: string, number: number): Promise<Begun> {
  await expect.poll(() => begun.get(id)?.length ?? 0, { timeout: 15_000 }).toBe(number);
  return begun.get(id)![number - 1]!;
}

async function call(method: string, path: string, token: string, body?: string) {
  const response = await fetch(`${service.url}/v1/jobs/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
    body,
  });
  const text = await response.text();
  return { status: response.status, text, body: text.startsWith('{') ? (JSON.parse(text) as object) : null };
}

const report = (id: string, token: string, reports: object[]) =>
  call('POST', `${id}/reports`, token, JSON.stringify({ reports }));

const at = Date.now();
const epoch = (seq: number, loss: number) => ({
  ...{ seq, at, type: 'epoch', epoch: seq, epochs: 9, metrics: { 'validation.loss': loss } },
});

async function linesOf(runId: string): Promise<string[]> {
  const { run } = await tess.ok(SearchRunLogsDocument, { runId, last: 100 });
  return run.logs.nodes.map(({ line }) => line);
}

describe('reports', () => {
  it('become metrics, log lines and progress, and count once however often they are sent', async () => {
    const { id, runId, token } = await begin();
    const first = [epoch(1, 0.5), { seq: 2, at, type: 'log', line: `my token is ${token}` }, epoch(3, 0.25)];
    for (let time = 0; time < 3; time++)
      expect(await report(id, token, first)).toMatchObject({ status: 200, body: { acknowledged: 3 } });
    const more = [...first, { seq: 4, at, type: 'progress', fraction: 0.5, message: 'Half' }];
    expect(await report(id, token, more)).toMatchObject({ body: { acknowledged: 4 } });
    const heardAt = async () =>
      (await query<{ at: string }>(service, 'select heard_at::text as at from job where id = $1', [id]))[0]!.at;
    const heard = await heardAt();
    // A call without reports is a sign of life.
    const afterReport = async () => {
      expect(await report(id, token, [])).toMatchObject({ body: { acknowledged: 4 } });
      return heardAt();
    };
    await expect.poll(afterReport, { timeout: 10_000, interval: 200 }).not.toBe(heard);
    expect(await linesOf(runId)).toEqual([
      'epoch 1 of 9: validation.loss=0.5',
      'my token is (hidden)',
      'epoch 3 of 9: validation.loss=0.25',
    ]);
    const { run, job } = await tess.ok(MetricsOfRunDocument, { runId, jobId: id });
    expect(run.metrics).toEqual([{ key: 'validation.loss', value: 0.25, step: 3 }]);
    expect(job).toMatchObject({ progress: 0.5, message: 'Half' });
  });

  it('must come without gaps, and then nothing of them is kept', async () => {
    const { id, runId, token } = await begin();
    expect(await report(id, token, [epoch(1, 1), epoch(3, 1)])).toMatchObject({
      status: 409,
      body: { code: 'CONFLICT', expected: '2', got: '3' },
    });
    expect(await linesOf(runId)).toEqual([]);
    for (const wrong of [[{ ...epoch(1, 1), metrics: { a: 'b' } }], [{ ...epoch(1, 1), type: 'other' }], [{}]])
      expect(await report(id, token, wrong)).toMatchObject({ status: 400, body: { code: 'BAD_USER_INPUT' } });
  });

  it('are taken from the work of a lost attempt, until another attempt has started other work', async () => {
    const { id, token } = await begin();
    expect(await report(id, token, [epoch(1, 1)])).toMatchObject({ status: 200 });
    (await attemptOf(id, 1)).lose();
    await attemptOf(id, 2);
    expect(await report(id, token, [epoch(1, 1), epoch(2, 1)])).toMatchObject({ body: { acknowledged: 2 } });
    (await attemptOf(id, 2)).lose();
    const third = await attemptOf(id, 3);
    expect(await report(id, token, [epoch(3, 1)])).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    expect(await report(id, third.token, [epoch(1, 1)])).toMatchObject({ body: { acknowledged: 1 } });
  });

  it('of a cancelled job, and with the token of another, are refused', async () => {
    const [mine, other] = [await begin(), await begin()];
    for (const token of [other.token, tess.token, '', 'matih-job.e30.'])
      expect(await report(mine.id, token, [])).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
    await tess.ok(CancelJobForOutsideCompletionDocument, { id: mine.id });
    expect(await report(mine.id, mine.token, [])).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('CANCELLED') },
    });
    const complete = { result: {} };
    expect(await call('POST', `${other.id}/complete`, other.token, JSON.stringify(complete))).toMatchObject({
      status: 409,
    });
  });
});

describe('files', () => {
  it('pass in both directions, and a stored checkpoint becomes one of the job', async () => {
    const { id, token } = await begin();
    const content = 'the state after epoch 5';
    expect(await call('PUT', `${id}/files/checkpoint-5`, token, content)).toMatchObject({ status: 200 });
    expect(await call('GET', `${id}/files/checkpoint-5`, token)).toMatchObject({ status: 200, text: content });
    const sha256 = createHash('sha256').update(content).digest('hex');
    const checkpoint = { seq: 1, at, type: 'checkpoint', epoch: 5, file: 'checkpoint-5', sizeBytes: 23, sha256 };
    expect(await report(id, token, [checkpoint])).toMatchObject({ status: 200 });
    const { job } = await tess.ok(CheckpointsOfJobDocument, { id });
    expect(job.checkpoints).toEqual([{ epoch: 5, attempt: 1, sizeBytes: 23, sha256 }]);
  });

  it('let an attempt that was paused stop as soon as its next checkpoint is stored', async () => {
    const { id, token } = await begin();
    const store = async (seq: number) => {
      const content = `the state after epoch ${seq}`;
      expect(await call('PUT', `${id}/files/checkpoint-${seq}`, token, content)).toMatchObject({ status: 200 });
      const sha256 = createHash('sha256').update(content).digest('hex');
      const file = { file: `checkpoint-${seq}`, sizeBytes: content.length, sha256 };
      expect(await report(id, token, [{ seq, at, type: 'checkpoint', epoch: seq, ...file }])).toMatchObject({
        status: 200,
      });
    };
    const job = () =>
      service.app.context.db.transact(actor, (session) => service.app.context.services.jobs.get(session, id));
    await store(1);
    await tess.ok(PauseJobDocument, { input: { jobId: id } });
    // Its worker must have seen it.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await job()).toMatchObject({ status: 'RUNNING', attempt: 1 });
    await store(2);
    await expect.poll(job, { timeout: 5_000 }).toMatchObject({ status: 'QUEUED', attempt: 2, failures: 0 });
    expect((await job()).message).toBe('It was paused; attempt 2 follows');
  });

  it('have few names, and belong to the work of this token', async () => {
    const { id, token } = await begin();
    for (const name of ['model.onnx', '..%2f..%2fsecret', 'checkpoint-x', 'rows.safetensors'])
      expect((await call('PUT', `${id}/files/${name}`, token, 'x')).status, name).toBe(400);
    for (const name of ['result.json', '..%2f..%2fsecret', 'Checkpoint'])
      expect((await call('GET', `${id}/files/${name}`, token)).status, name).toBe(404);
    expect((await call('PUT', `${id}/files/result.json`, tess.token, 'x')).status).toBe(401);
    const checkpoint = { seq: 1, at, type: 'checkpoint', epoch: 9, file: 'checkpoint-9', sizeBytes: 1 };
    expect((await report(id, token, [{ ...checkpoint, sha256: 'a'.repeat(64) }])).status).toBe(503);
  });
});

describe('the backend RAY', () => {
  it('is refused with a reason where it cannot be', async () => {
    const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
    const forest = { ...CARS_CONFIG, algorithm: 'RANDOM_FOREST_REGRESSOR', hyperparameters: {} };
    const start = async (change: object, config: object = CARS_CONFIG) =>
      (await tess.fails(StartTrainingDocument, { input: { experimentId, datasetId, config, ...change } })).extensions;
    expect(await start({ backend: 'RAY' }, forest)).toMatchObject({ code: 'UNAVAILABLE', field: 'input.backend' });
    expect(await start({}, forest)).toMatchObject({ code: 'UNAVAILABLE', field: 'input.config.algorithm' });
    expect(await start({ strategy: 'DATA_PARALLEL' })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.strategy',
    });
    expect(await start({ workers: 2 })).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.workers' });
    expect((await tess.ok(ClusterDetailsDocument)).cluster).toBeNull();
  });

  it('says that the cluster is away, and what to do', async () => {
    const away = await startTestService({
      ...{ RAY_ADDRESS: 'http://127.0.0.1:9', PUBLIC_URL: 'http://127.0.0.1:8000', RAY_MAX_CORES: '4' },
    });
    try {
      const caller = await away.as();
      const { cluster } = await caller.ok(ClusterDetailsDocument);
      expect(cluster).toMatchObject({ backend: 'ray', version: null, nodes: [], jobs: [] });
      expect(cluster!.problem).toContain('does not answer');
      const ids = {
        experimentId: await createExperiment(caller),
        datasetId: await registerDataset(caller, { name: 'cars', path: vegaPath('cars.json') }),
      };
      const config = { ...CARS_CONFIG, algorithm: 'XGBOOST_REGRESSOR', hyperparameters: {} };
      const refused = await caller.fails(StartTrainingDocument, { input: { ...ids, config, backend: 'RAY' } });
      expect(refused.extensions).toMatchObject({ code: 'UNAVAILABLE', field: 'input.backend' });
      const wide = { ...ids, config, backend: 'RAY', workers: 5 };
      expect((await caller.fails(StartTrainingDocument, { input: wide })).extensions).toMatchObject({
        ...{ code: 'BAD_USER_INPUT', field: 'input.workers', expected: expect.stringContaining('at most 4'), got: '5' },
      });
      // A training that was there before the cluster went away is not started again there.
      const { jobId } = await startTraining(caller, { ...ids, config: CARS_CONFIG });
      const there = `config || '{"backend": "RAY"}' || jsonb_build_object('training', config -> 'training' ||
        '{"algorithm": "XGBOOST_REGRESSOR", "hyperparameters": {}}')`;
      await query(away, `update job set config = ${there} where id = $1`, [jobId]);
      const isAway = { extensions: { code: 'UNAVAILABLE', field: 'input.backend' } };
      expect(await caller.fails(CloneJobDocument, { input: { jobId } })).toMatchObject(isAway);
      const nightly = { name: 'nightly', jobId, cron: '0 3 * * *', timeZone: 'UTC' };
      const { id } = (await caller.ok(CreateScheduleDetailsDocument, { input: nightly })).createSchedule.schedule;
      expect(await caller.fails(StartScheduleNowDocument, { input: { id } })).toMatchObject(isAway);
      const network = { ...ids, config: CARS_CONFIG, backend: 'RAY' };
      expect((await caller.fails(StartTrainingDocument, { input: network })).extensions).toMatchObject({
        ...{ code: 'BAD_USER_INPUT', field: 'input.backend', expected: 'LOCAL, where MLP_REGRESSOR can run' },
      });
    } finally {
      await away.close();
    }
  });
});
