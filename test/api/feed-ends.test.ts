import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newRun } from '../support/runs.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { mutate } from '../support/tracking.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingWhen,
  vegaPath,
} from '../support/training.js';
import { AppendRunLogsDocument, LogMetricsDocument } from '../../schema/generated/operations.js';
import {
  CancelJobDetailsDocument,
  type FinalRunStatus,
  FinishRunStatusDocument,
  ResumeRunDetailsDocument,
  RunDetailsDocument,
  RunLogsForFeedEndsDocument,
  RunMetricsForFeedEndsDocument,
} from '../generated/operations.js';

const ROUNDS = Number(process.env['MATIH_FEED_ROUNDS'] ?? 15);
const never = () => false;

let service: TestService;
let tess: Caller;
let nextStep = 0;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

interface Row {
  seq: number;
}
/** The metrics or the log of a run. */
type Feed = typeof RunMetricsForFeedEndsDocument | typeof RunLogsForFeedEndsDocument;

const log = (runId: string, count: number) =>
  tess.ok(LogMetricsDocument, {
    input: { runId, metrics: Array.from({ length: count }, () => ({ key: 'loss', value: 1, step: nextStep++ })) },
  });
const print = (runId: string, count: number) =>
  mutate(tess, AppendRunLogsDocument, {
    runId,
    lines: Array.from({ length: count }, (_, i) => ({ line: `line ${i}` })),
  });
const finish = (runId: string, status: FinalRunStatus = 'FINISHED') =>
  mutate(tess, FinishRunStatusDocument, { runId, status });
/** Rows until the feed completes. */
const toEnd = (document: Feed, variables: object) => tess.collect<Row>(document.toString(), { ...variables }, never);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => ({ seq: i + 1 }));

/** A feed that the test can observe while it is open. */
function open(document: Feed, variables: Record<string, unknown>) {
  const client = tess.socket();
  const seen: Row[] = [];
  let completedAtMs: number | null = null;
  client.subscribe<Record<string, Row>>(
    { query: document.toString(), variables },
    {
      next: ({ data }) => void seen.push(Object.values(data!)[0]!),
      error: (error) => seen.push({ seq: NaN, ...(error as object) }),
      complete: () => (completedAtMs = performance.now()),
    },
  );
  return { seen, completedAtMs: () => completedAtMs, close: () => client.dispose() };
}

describe('the metrics and the log of a run', () => {
  it('complete when it ends, after everything that was written', async () => {
    const runId = await newRun(tess);
    await log(runId, 3);
    await print(runId, 2);
    const [metrics, logs] = [
      open(RunMetricsForFeedEndsDocument, { runId, after: 0 }),
      open(RunLogsForFeedEndsDocument, { runId, after: 0 }),
    ];
    await expect.poll(() => [metrics.seen.length, logs.seen.length]).toEqual([3, 2]);
    await log(runId, 4);
    await print(runId, 5);
    const endedAtMs = performance.now();
    await finish(runId);
    await expect
      .poll(() => metrics.completedAtMs() !== null && logs.completedAtMs() !== null, { timeout: 5_000 })
      .toBe(true);
    const lateMs = Math.max(metrics.completedAtMs()!, logs.completedAtMs()!) - endedAtMs;
    console.log(`both feeds complete ${lateMs.toFixed(0)} ms after finishRun was sent`);
    expect(lateMs).toBeLessThan(1_500);
    expect(metrics.seen).toEqual(upTo(7));
    expect(logs.seen).toEqual(upTo(7));
    await Promise.all([metrics.close(), logs.close()]);
  });

  it('complete at once for a run that has ended, with the rows after `after`', async () => {
    const runId = await newRun(tess);
    await log(runId, 1_203);
    await print(runId, 3);
    await finish(runId, 'FAILED');
    expect(await toEnd(RunMetricsForFeedEndsDocument, { runId, after: 0 })).toEqual(upTo(1_203));
    expect(await toEnd(RunMetricsForFeedEndsDocument, { runId, after: 1_200 })).toEqual([
      { seq: 1_201 },
      { seq: 1_202 },
      { seq: 1_203 },
    ]);
    expect(await toEnd(RunMetricsForFeedEndsDocument, { runId, after: 1_203 })).toEqual([]);
    expect(await toEnd(RunMetricsForFeedEndsDocument, { runId, after: 5_000 })).toEqual([]);
    expect(await toEnd(RunMetricsForFeedEndsDocument, { runId })).toEqual([]);
    expect(await toEnd(RunLogsForFeedEndsDocument, { runId, after: 0 })).toEqual(upTo(3));
  });

  it(`lose nothing and repeat nothing in ${ROUNDS} runs that end at any moment`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const runId = await newRun(tess);
      const before = Math.floor(Math.random() * 1_500);
      if (before > 0) await log(runId, before);
      const followers = Promise.all([
        toEnd(RunMetricsForFeedEndsDocument, { runId, after: 0 }),
        toEnd(RunMetricsForFeedEndsDocument, { runId, after: 0 }),
      ]);
      await pause(Math.random() * 30);
      let count = before;
      for (let batch = 0; batch < 4; batch++) {
        const size = 1 + Math.floor(Math.random() * 300);
        await log(runId, size);
        count += size;
        await pause(Math.random() * 10);
      }
      await finish(runId);
      for (const rows of await followers) expect(rows, `round ${round}`).toEqual(upTo(count));
    }
  }, 120_000);

  it('stay open with `follow: true`, during a late write and a resumed run', async () => {
    const runId = await newRun(tess);
    await log(runId, 2);
    await finish(runId);
    const staying = open(RunMetricsForFeedEndsDocument, { runId, after: 0, follow: true });
    await expect.poll(() => staying.seen.length).toBe(2);
    await log(runId, 1);
    await expect.poll(() => staying.seen.length).toBe(3);
    // A follower that comes after the late write gets the row and the end.
    expect(await toEnd(RunMetricsForFeedEndsDocument, { runId, after: 0 })).toEqual(upTo(3));
    await mutate(tess, ResumeRunDetailsDocument, { runId });
    // The end that earlier followers have read does not end those that come after the resumption.
    const resumed = toEnd(RunMetricsForFeedEndsDocument, { runId, after: 0 });
    await log(runId, 2);
    await pause(300);
    await log(runId, 2);
    await finish(runId);
    expect(await resumed).toEqual(upTo(7));
    await expect.poll(() => staying.seen).toEqual(upTo(7));
    expect(staying.completedAtMs()).toBeNull();
    await staying.close();
  });

  it('of a training complete with its last point and line, however it ends', async () => {
    const experimentId = await createExperiment(tess);
    const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
    const { runId } = await startTraining(tess, { experimentId, datasetId, config: CARS_CONFIG });
    const [points, lines] = await Promise.all([
      toEnd(RunMetricsForFeedEndsDocument, { runId, after: 0 }),
      toEnd(RunLogsForFeedEndsDocument, { runId, after: 0 }),
    ]);
    const { run } = await tess.ok(RunDetailsDocument, { id: runId });
    expect(run.status).toBe('FINISHED');
    expect(lines).toHaveLength(run.logs.totalCount);
    const traffic = await service.app.context.db.asSystem((em) =>
      em.execute<{ n: number }[]>('select count(*)::int as n from metric_point where run_id = ?', [runId]),
    );
    expect(points).toHaveLength(traffic[0]!.n);
    const long = { ...CARS_CONFIG, hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 10_000 } };
    const cancelled = await startTraining(tess, { experimentId, datasetId, config: long });
    const following = toEnd(RunMetricsForFeedEndsDocument, { runId: cancelled.runId, after: 0 });
    await trainingWhen(tess, cancelled.jobId, ({ progress }) => progress > 0);
    await mutate(tess, CancelJobDetailsDocument, { jobId: cancelled.jobId });
    expect((await following).length).toBeGreaterThan(0);
  }, 60_000);
});
