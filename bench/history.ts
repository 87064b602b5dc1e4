// One run with a metric of 1,000,000 points, read as a chart of 1,000 points: through GraphQL, which keeps the least
// and greatest values, and from MLflow's own server on the same PostgreSQL, which takes every thousandth point. ratio =
// our p95 ÷ 300 ms, which must be at most 1.
import pg from 'pg';
import { BenchMetricHistoryDocument } from './generated/operations.ts';
import { memoryMib, withMlflow, type Tracker } from './support/mlflow-server.ts';
import { percentile, report } from './support/report.ts';

const POINTS = Number(process.env['BENCH_POINTS'] ?? 1_000_000);
const SHOWN = 1_000;
const READS = { service: 40, mlflow: 5 };
const GOAL_MS = 300;
const VALUE = `exp(-n / ${POINTS / 5}.0) + 0.1 * sin(n / 50.0)`;
const START_MS = Date.UTC(2026, 0, 1);

async function newRun(tracker: Tracker): Promise<string> {
  const { run } = await tracker.post<{ run: { info: { run_id: string } } }>('runs/create', {
    experiment_id: '0',
    start_time: START_MS,
  });
  return run.info.run_id;
}

async function execute(url: string, statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

/** Durations in milliseconds of several reads, one after the other. */
async function times(read: () => Promise<number>, count: number): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    const points = await read();
    all.push(performance.now() - started);
    if (points < SHOWN / 2 || points > SHOWN) throw new Error(`${points} points for a chart of ${SHOWN}`);
  }
  return all;
}

await withMlflow(async ({ service, ours, mlflow }) => {
  const [theirId, ourId] = [await newRun(mlflow), await newRun(ours)];
  const uuid = ourId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  await execute(await service.databaseUrl(), [
    `insert into metric_point (tenant, run_id, key, step, logged_at, value, seq)
       select 'default', '${uuid}', 'loss', n, timestamptz 'epoch' + (${START_MS} + n) * interval '1 millisecond',
         ${VALUE}, n from generate_series(1, ${POINTS}) n`,
    `update run_counter set last_seq = ${POINTS} where run_id = '${uuid}'`,
    'vacuum analyze metric_point',
  ]);
  await execute(mlflow.databaseUrl, [
    `insert into metrics (key, value, timestamp, step, is_nan, run_uuid)
       select 'loss', ${VALUE}, ${START_MS} + n, n, false, '${theirId}' from generate_series(1, ${POINTS}) n`,
    'vacuum analyze metrics',
  ]);
  const readOurs = async () => {
    const { run } = await service.send(BenchMetricHistoryDocument, { id: uuid, key: 'loss', maxPoints: SHOWN });
    return run.metricHistory.length;
  };
  const sample = (tracker: Tracker, id: string) => async () => {
    const query = { run_ids: id, metric_key: 'loss', max_results: String(SHOWN) };
    const { metrics } = await tracker.get<{ metrics: unknown[] }>(
      'ajax-api/2.0/mlflow/metrics/get-history-bulk-interval',
      query,
    );
    return metrics.length;
  };
  const [first] = await times(readOurs, 1);
  const read = await times(readOurs, READS.service);
  const [, ...theirs] = await times(sample(mlflow, theirId), READS.mlflow + 1);
  const [, ...ourSamples] = await times(sample(ours, ourId), READS.mlflow + 1);
  report('history', percentile(read, 0.95) / GOAL_MS, 1, 'lower', {
    points: POINTS,
    shown: SHOWN,
    p50Ms: percentile(read, 0.5),
    p95Ms: percentile(read, 0.95),
    firstReadMs: first ?? NaN,
    mlflowP50Ms: percentile(theirs, 0.5),
    mlflowP95Ms: percentile(theirs, 0.95),
    sampledAsMlflowDoesP50Ms: percentile(ourSamples, 0.5),
    mlflowMemoryMib: memoryMib(mlflow.pid),
    serviceMemoryMib: memoryMib(service.pid),
  });
});
