// The same log-batch calls of MLflow's protocol, 500 metrics each, by 20 clients with one run each: to this service and
// to MLflow's own server on the same PostgreSQL; and a raw bulk insert of the same number of rows. ratio = our metrics
// per second divided by MLflow's; if MLflow is faster than the 8,400 per second that it publishes, divided by half of
// the raw insert's.
import pg from 'pg';
import { memoryMib, withMlflow, type Tracker } from './support/mlflow-server.ts';
import { median, report } from './support/report.ts';

const CLIENTS = 20;
const BATCH = 500;
const ROUNDS = 3;
/** Calls per client and round: MLflow's server takes far longer for one. */
const CALLS = { service: 20, mlflow: 2, raw: 20 };
const PUBLISHED_PER_SECOND = 8_400;
const KEYS = ['loss', 'accuracy', 'f1', 'grad_norm', 'learning_rate'];

interface Metric {
  key: string;
  value: number;
  timestamp: number;
  step: number;
}

function makeMetrics(firstStep: number): Metric[] {
  const timestamp = Date.now();
  return Array.from({ length: BATCH }, (_, i) => ({
    key: KEYS[i % KEYS.length] ?? 'loss',
    value: Math.random(),
    timestamp,
    step: firstStep + Math.floor(i / KEYS.length),
  }));
}

type Log = (runId: string, metrics: Metric[]) => Promise<unknown>;

/** Metrics per second of all clients together. */
async function rate(log: Log, runIds: string[], calls: number, round: number): Promise<number> {
  const batches = Array.from({ length: calls }, (_, i) => makeMetrics((round * calls + i) * BATCH));
  const started = performance.now();
  await Promise.all(
    runIds.map(async (runId) => {
      for (const metrics of batches) await log(runId, metrics);
    }),
  );
  return (runIds.length * calls * BATCH) / ((performance.now() - started) / 1000);
}

async function newRuns(tracker: Tracker): Promise<string[]> {
  const made = Array.from({ length: CLIENTS }, () =>
    tracker.post<{ run: { info: { run_id: string } } }>('runs/create', { experiment_id: '0', start_time: Date.now() }),
  );
  return (await Promise.all(made)).map(({ run }) => run.info.run_id);
}

const overRest =
  (tracker: Tracker): Log =>
  (run_id, metrics) =>
    tracker.post('runs/log-batch', { run_id, metrics });

const RAW_INSERT = `insert into bench_metric_point (tenant, run_id, key, step, logged_at, value, seq)
  select 'default', $1, key, step, timestamptz 'epoch' + ms * interval '1 millisecond', value, step
  from unnest($2::text[], $3::bigint[], $4::float8[], $5::float8[]) as p(key, step, ms, value)`;

const raw =
  (pool: pg.Pool): Log =>
  (runId, metrics) =>
    pool.query(RAW_INSERT, [
      runId,
      metrics.map(({ key }) => key),
      metrics.map(({ step }) => step),
      metrics.map(({ timestamp }) => timestamp),
      metrics.map(({ value }) => value),
    ]);

await withMlflow(async ({ service, ours, mlflow }) => {
  const pool = new pg.Pool({ connectionString: await service.databaseUrl(), max: CLIENTS });
  try {
    await pool.query('create table bench_metric_point (like metric_point including all)');
    const [theirRuns, ourRuns] = [await newRuns(mlflow), await newRuns(ours)];
    const rates: Record<keyof typeof CALLS, number[]> = { service: [], mlflow: [], raw: [] };
    // Round 0 warms up and is not counted.
    for (let round = 0; round <= ROUNDS; round++) {
      const measured = {
        service: await rate(overRest(ours), ourRuns, CALLS.service, round),
        mlflow: await rate(overRest(mlflow), theirRuns, CALLS.mlflow, round),
        raw: await rate(raw(pool), ourRuns, CALLS.raw, round),
      };
      if (round > 0) for (const side of ['service', 'mlflow', 'raw'] as const) rates[side].push(measured[side]);
    }
    const [perSecond, theirs, insert] = [median(rates.service), median(rates.mlflow), median(rates.raw)];
    const isFast = theirs > PUBLISHED_PER_SECOND;
    report('tracking-mlflow', isFast ? perSecond / insert : perSecond / theirs, isFast ? 0.5 : 10, 'higher', {
      clients: CLIENTS,
      batchSize: BATCH,
      metricsPerSecond: perSecond,
      mlflowMetricsPerSecond: theirs,
      rawInsertsPerSecond: insert,
      timesMlflow: perSecond / theirs,
      ofRawInsert: perSecond / insert,
      serviceMemoryMib: memoryMib(service.pid),
      mlflowMemoryMib: memoryMib(mlflow.pid),
    });
  } finally {
    await pool.end();
  }
});
