import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { CARS_CONFIG, createExperiment, registerDataset, startTraining, vegaPath } from '../support/training.js';
import {
  CancelJobDetailsDocument,
  ExperimentsDetailsDocument,
  JobDetailsDocument,
  JobStatusEndedAtDocument,
  type JobStatusEndedAtQuery,
} from '../generated/operations.js';

const MOST = 200;
/** The service checks again after this time, however few wake-ups come. */
const POLL_MS = 2_000;

/** No worker: the tests end the jobs. */
let api: TestService;
let tess: Caller;
let datasetId: string;
let experimentId: string;

beforeAll(async () => {
  api = await startTestService({ ROLE: 'api', DATABASE_POOL_SIZE: '4' });
  tess = await api.as();
  experimentId = await createExperiment(tess);
  datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
});
afterAll(() => api?.close());

const newTraining = async () => (await startTraining(tess, { experimentId, datasetId, config: CARS_CONFIG })).jobId;
const jobStatements = () => api.queries.filter(({ text }) => text.includes('select status from job')).length;

async function timed<T>(work: Promise<T>): Promise<{ answer: T; ms: number }> {
  const startedMs = performance.now();
  return { answer: await work, ms: performance.now() - startedMs };
}

describe('waiting for a job', () => {
  it('returns when it ends, for all who wait, without polling the database', async () => {
    const id = await newTraining();
    const waiting = Array.from({ length: 20 }, () => timed(tess.ok(JobDetailsDocument, { id, waitMs: 30_000 })));
    await pause(1_000);
    const before = jobStatements();
    // Four database connections and twenty waiting calls: others are served at once.
    const { ms: otherMs } = await timed(tess.ok(ExperimentsDetailsDocument));
    await tess.ok(CancelJobDetailsDocument, { input: { jobId: id } });
    const cancelledAtMs = performance.now();
    const answers = await Promise.all(waiting);
    const lateMs = performance.now() - cancelledAtMs;
    console.log(
      `20 who wait are told ${lateMs.toFixed(0)} ms after the end; another request took ${otherMs.toFixed(0)} ms`,
    );
    expect(answers.map(({ answer }) => answer.job.status)).toEqual(answers.map(() => 'CANCELLED'));
    expect(lateMs).toBeLessThan(1_500);
    expect(before).toBeLessThanOrEqual(40);
    expect(otherMs).toBeLessThan(1_000);
  });

  it('returns at once when it has ended, and at the requested time when it has not', async () => {
    const id = await newTraining();
    const late = await timed(tess.ok(JobStatusEndedAtDocument, { id, waitMs: 400 }));
    expect(late.answer.job).toEqual({ status: 'QUEUED', endedAt: null });
    expect(late.ms).toBeGreaterThanOrEqual(399);
    expect(late.ms).toBeLessThan(1_500);
    await tess.ok(CancelJobDetailsDocument, { input: { jobId: id } });
    const ended = await timed(tess.ok(JobDetailsDocument, { id, waitMs: 60_000 }));
    expect(ended.answer.job.status).toBe('CANCELLED');
    expect(ended.ms).toBeLessThan(1_000);
  });

  it('is refused for a too long time, and for a job of another tenant', async () => {
    const id = await newTraining();
    for (const waitMs of [-1, 60_001]) {
      expect(await tess.fails(JobStatusEndedAtDocument, { id, waitMs })).toMatchObject({
        message: `waitMs: expected 0 to 60000 milliseconds, got ${waitMs}.`,
        extensions: { code: 'BAD_USER_INPUT', field: 'waitMs' },
      });
    }
    const stranger = await api.as({ tenant: 'stranger' });
    const { ms } = await timed(stranger.fails(JobStatusEndedAtDocument, { id, waitMs: 30_000 }));
    expect(ms).toBeLessThan(1_000);
  });

  it('works over a WebSocket too', async () => {
    const id = await newTraining();
    const client = tess.socket();
    const answer = new Promise<string>((resolve, reject) =>
      client.subscribe<JobStatusEndedAtQuery>(
        { query: JobStatusEndedAtDocument.toString(), variables: { id, waitMs: 30_000 } },
        { next: ({ data }) => resolve(data!.job.status), error: reject, complete: () => undefined },
      ),
    );
    await pause(300);
    await tess.ok(CancelJobDetailsDocument, { input: { jobId: id } });
    expect(await answer).toBe('CANCELLED');
    await client.dispose();
  });

  it(`is possible for ${MOST} calls of a tenant, refused for one more, and ends when a client disconnects`, async () => {
    const id = await newTraining();
    const gone = new AbortController();
    const ask = (signal?: AbortSignal) =>
      fetch(`${tess.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${tess.token}` },
        body: JSON.stringify({ query: JobStatusEndedAtDocument.toString(), variables: { id, waitMs: 60_000 } }),
        ...(signal && { signal }),
      });
    const waiting = Array.from({ length: MOST }, () => ask(gone.signal).catch(() => null));
    // On a busy machine it takes a while until all of them wait.
    await expect
      .poll(async () => (await tess.send(JobStatusEndedAtDocument, { id, waitMs: 1 })).errors?.[0]?.extensions.code, {
        timeout: 20_000,
      })
      .toBe('RESOURCE_EXHAUSTED');
    const refused = await tess.fails(JobStatusEndedAtDocument, { id, waitMs: 60_000 });
    expect(refused).toMatchObject({
      message:
        `${MOST} calls of your tenant are waiting already, which is the maximum. Call again later, or ` +
        'without waitMs.',
      extensions: { code: 'RESOURCE_EXHAUSTED', field: 'waitMs' },
    });
    // A call that does not wait is answered, and each tenant has its own limit.
    expect((await tess.ok(JobDetailsDocument, { id })).job.status).toBe('QUEUED');
    const other = await api.as({ tenant: 'other' });
    expect((await other.fails(JobStatusEndedAtDocument, { id, waitMs: 50 })).extensions.code).toBe('NOT_FOUND');
    gone.abort();
    await Promise.all(waiting);
    await pause(POLL_MS + 1_000);
    expect((await tess.ok(JobDetailsDocument, { id, waitMs: 50 })).job.status).toBe('QUEUED');
  }, 30_000);

  it('ends by a wake-up of another process that runs the job', async () => {
    const { jobId: id } = await startTraining(tess, { experimentId, datasetId, config: CARS_CONFIG });
    const waiting = timed(tess.ok(JobDetailsDocument, { id, waitMs: 60_000 }));
    const worker = await startTestService(
      { ROLE: 'worker', DATA_DIR: api.app.context.config.DATA_DIR, DATASET_DIRS: vegaPath('') },
      api.database,
    );
    try {
      const { answer } = await waiting;
      const lateMs = Date.now() - Date.parse(answer.job.endedAt!);
      console.log(`api and worker apart: told ${lateMs} ms after the end`);
      expect(answer.job.status).toBe('SUCCEEDED');
      expect(lateMs).toBeLessThan(1_500);
    } finally {
      await worker.close();
    }
  }, 90_000);

  it('does not delay a service that stops', async () => {
    const stopping = await startTestService({ ROLE: 'api', DATA_DIR: api.app.context.config.DATA_DIR }, api.database);
    const caller = await stopping.as();
    const id = await newTraining();
    const waiting = caller.ok(JobDetailsDocument, { id, waitMs: 60_000 });
    await pause(500);
    const { ms } = await timed(stopping.close());
    expect((await waiting).job.status).toBe('QUEUED');
    console.log(`a service with a waiting call stops in ${ms.toFixed(0)} ms`);
    expect(ms).toBeLessThan(5_000);
  });
});
