// Metrics logged through GraphQL by several clients, compared with a raw bulk insert of the same rows into a table with
// the same layout in the same database, from the same process with the same number of connections. ratio = the worse of
// the two batch sizes.
import pg from 'pg';
import { median, report, type Figures } from './support/report.ts';
import { BenchLogMetricsDocument } from './generated/operations.ts';
import { newRun } from './support/runs.ts';
import { startService, withDataDir, type Service } from './support/service.ts';

const CLIENTS = 4;
const ROUNDS = 5;
const ROWS_PER_ROUND = 80_000;
const BATCH_SIZES = [500, 5_000];
const KEYS = ['loss', 'accuracy', 'f1', 'grad_norm', 'learning_rate'];

interface Point {
  key: string;
  value: number;
  step: number;
  loggedAt: string;
}

type Log = (runId: string, points: Point[], firstSeq: number) => Promise<void>;

function makePoints(count: number, firstStep: number): Point[] {
  const loggedAt = new Date().toISOString();
  return Array.from({ length: count }, (_, i) => ({
    key: KEYS[i % KEYS.length] ?? 'loss',
    value: Math.random(),
    step: firstStep + Math.floor(i / KEYS.length),
    loggedAt,
  }));
}

/** Rows per second of all clients together; each has its own run. */
async function rate(log: Log, runIds: string[], batchSize: number, firstStep: number): Promise<number> {
  const perClient = Array.from({ length: ROWS_PER_ROUND / CLIENTS / batchSize }, (_, i) =>
    makePoints(batchSize, firstStep + i * batchSize),
  );
  const started = performance.now();
  await Promise.all(
    runIds.map(async (runId) => {
      for (const [i, points] of perClient.entries()) await log(runId, points, firstStep + i * batchSize);
    }),
  );
  return ROWS_PER_ROUND / ((performance.now() - started) / 1000);
}

const throughApi =
  (service: Service): Log =>
  async (runId, metrics) => {
    const { logMetrics } = await service.send(BenchLogMetricsDocument, {
      input: { runId, metrics },
    });
    if (logMetrics.addedCount !== metrics.length)
      throw new Error(`${logMetrics.addedCount} of ${metrics.length} points were new`);
  };

const RAW_INSERT = `insert into bench_metric_point (tenant, run_id, key, step, logged_at, value, seq)
  select 'default', $1, key, step, logged_at, value, $2 + n
  from unnest($3::text[], $4::bigint[], $5::timestamptz[], $6::float8[]) with ordinality as p(key, step, logged_at,
    value, n)`;

const raw =
  (pool: pg.Pool): Log =>
  async (runId, points, firstSeq) => {
    const columns = [
      points.map((p) => p.key),
      points.map((p) => p.step),
      points.map((p) => p.loggedAt),
      points.map((p) => p.value),
    ];
    const { rowCount } = await pool.query(RAW_INSERT, [runId, firstSeq, ...columns]);
    if (rowCount !== points.length) throw new Error(`${rowCount} of ${points.length} rows were inserted`);
  };

async function compare(service: Service, pool: pg.Pool, batchSize: number): Promise<Figures & { ratio: number }> {
  const runIds = await Promise.all(Array.from({ length: CLIENTS }, () => newRun(service)));
  const rates: { api: number[]; raw: number[] } = { api: [], raw: [] };
  // Round 0 warms up and is not counted.
  for (let round = 0; round <= ROUNDS; round++) {
    const firstStep = round * ROWS_PER_ROUND;
    const measured = {
      api: await rate(throughApi(service), runIds, batchSize, firstStep),
      raw: await rate(raw(pool), runIds, batchSize, firstStep),
    };
    if (round > 0) for (const side of ['api', 'raw'] as const) rates[side].push(measured[side]);
  }
  const ratios = rates.api.map((api, i) => api / (rates.raw[i] ?? NaN));
  return { ratio: median(ratios), apiRowsPerSecond: median(rates.api), rawRowsPerSecond: median(rates.raw), ratios };
}

await withDataDir(async (dataDir) => {
  const service = await startService(dataDir);
  const pool = new pg.Pool({ connectionString: await service.databaseUrl(), max: CLIENTS });
  try {
    await pool.query('create table bench_metric_point (like metric_point including all)');
    const bySize: Record<string, Figures & { ratio: number }> = {};
    for (const size of BATCH_SIZES) bySize[`batchesOf${size}`] = await compare(service, pool, size);
    report('tracking', Math.min(...Object.values(bySize).map((figures) => figures.ratio)), 0.5, 'higher', {
      clients: CLIENTS,
      ...bySize,
    });
  } finally {
    await pool.end();
    await service.stop();
  }
});
