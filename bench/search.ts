// Run search over 100,000 runs with 10 metrics each: the same 20 searches of MLflow's protocol, one after the other, on
// MLflow's own server and on this service, whose databases are on one PostgreSQL and have the same rows; and through
// GraphQL. ratio = MLflow's p95 divided by ours.
import pg from 'pg';
import { BenchSearchRunsDocument, type OrderDirection, type RunOrderInput } from './generated/operations.ts';
import { memoryMib, withMlflow, type Tracker } from './support/mlflow-server.ts';
import { percentile, report, type Figures } from './support/report.ts';
import type { Service } from './support/service.ts';

const RUNS = Number(process.env['BENCH_RUNS'] ?? 100_000);
const METRICS = 10;
const PAGE = 50;
const ROUNDS = 2;
/** How often each search runs in a round: MLflow's server takes far longer for one. */
const TIMES = { mlflow: 1, rest: 5, graphql: 5 };

interface Search {
  filter: string;
  orderBy: string[];
  /** The same order in GraphQL. */
  order: RunOrderInput[];
  /** The second page instead of the first. */
  next?: true;
}

const metric = (key: string, direction: OrderDirection): RunOrderInput => ({ field: 'METRIC', key, direction });
const newest = { orderBy: [], order: [{ field: 'STARTED_AT', direction: 'DESC' }] satisfies RunOrderInput[] };

const SEARCHES: Search[] = [
  { filter: '', ...newest },
  { filter: '', ...newest, next: true },
  { filter: 'metrics.m1 < 0.001', ...newest },
  { filter: 'metrics.m1 < 0.5', ...newest },
  { filter: 'metrics.m1 > 0.9 AND metrics.m2 < 0.1', ...newest },
  { filter: 'metrics.m1 < 0.5 AND metrics.m2 < 0.5 AND metrics.m3 < 0.01', ...newest },
  { filter: "params.lr = '17'", ...newest },
  { filter: "params.model = 'vit'", ...newest },
  { filter: "params.model = 'vit' AND metrics.m4 > 0.99", ...newest },
  { filter: "params.lr != '17' AND tags.team = 'alpha'", ...newest },
  { filter: "tags.team LIKE 'al%'", ...newest },
  { filter: "tags.team = 'beta' AND params.model = 'bert' AND metrics.m5 < 0.2", ...newest },
  { filter: "attributes.status = 'FAILED'", ...newest },
  { filter: "attributes.run_name LIKE 'run-777%'", ...newest },
  { filter: '', orderBy: ['metrics.m1 ASC'], order: [metric('m1', 'ASC')] },
  { filter: '', orderBy: ['metrics.m1 DESC'], order: [metric('m1', 'DESC')], next: true },
  { filter: "params.model = 'gbm'", orderBy: ['metrics.m6 DESC'], order: [metric('m6', 'DESC')] },
  {
    filter: 'metrics.m7 > 0.5',
    orderBy: ['metrics.m8 ASC', 'metrics.m9 DESC'],
    order: [metric('m8', 'ASC'), metric('m9', 'DESC')],
  },
  {
    filter: "tags.team = 'gamma'",
    orderBy: ['params.lr ASC', 'metrics.m1 ASC'],
    order: [{ field: 'PARAM', key: 'lr', direction: 'ASC' }, metric('m1', 'ASC')],
  },
  { filter: 'metrics.m2 < 0.05', orderBy: ['attributes.run_name ASC'], order: [{ field: 'NAME', direction: 'ASC' }] },
];

/** A number from 0 to 1 that is the same for a run and a name in both databases. */
const random = (name: string) => `((hashtext(n::text || '${name}')::bigint + 2147483648) / 4294967296.0)::float8`;
const pick = (name: string, values: string[]) =>
  `(array[${values.map((value) => `'${value}'`).join(', ')}])[1 + floor(${random(name)} * ${values.length})::int]`;
const PARAMS = {
  lr: `floor(${random('lr')} * 1000)::int::text`,
  model: pick('model', ['resnet', 'vit', 'bert', 'gbm']),
};
const TAGS = { team: pick('team', ['alpha', 'beta', 'gamma']), 'mlflow.runName': `'run-' || n` };
const STATUS = `case when n % 10 = 0 then 'FAILED' else 'FINISHED' end`;
const START_MS = Date.UTC(2026, 0, 1);

async function seed(url: string, statements: (rows: string) => string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const statement of statements(`generate_series(1, ${RUNS}) n`)) await client.query(statement);
  await client.query('vacuum analyze');
  // Without it, the server would write the seeded rows to disk while the searches are measured.
  await client.query('checkpoint');
  await client.end();
}

const pairs = (record: Record<string, string>) => Object.entries(record).map(([key, value]) => [key, value] as const);
const metricKeys = Array.from({ length: METRICS }, (_, i) => `m${i}`);

function seedService(url: string, experimentId: string): Promise<void> {
  // Ids as the service creates them, by time (UUIDv7); the ids of MLflow are random.
  const id =
    `(lpad(to_hex(${START_MS} + n * 1000), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || ` +
    'substr(md5(n::text), 4, 15))::uuid';
  const at = `timestamptz 'epoch' + (${START_MS} + n * 1000) * interval '1 millisecond'`;
  return seed(url, (rows) => [
    `insert into run (id, tenant, experiment_id, name, status, created_by, created_at, started_at, ended_at)
     select ${id}, 'default', '${experimentId}', 'run-' || n, ${STATUS}, 'bench', ${at}, ${at}, ${at} from ${rows}`,
    `insert into run_counter (tenant, run_id) select 'default', ${id} from ${rows}`,
    ...metricKeys.map(
      (key) => `insert into metric_latest (tenant, run_id, key, step, logged_at, value)
     select 'default', ${id}, '${key}', 1, ${at}, ${random(key)} from ${rows}`,
    ),
    ...pairs(PARAMS).map(
      ([key, value]) =>
        `insert into run_param (tenant, run_id, key, value) select 'default', ${id}, '${key}', ${value} from ${rows}`,
    ),
    ...pairs(TAGS).map(
      ([key, value]) =>
        `insert into run_tag (tenant, run_id, key, value) select 'default', ${id}, '${key}', ${value} from ${rows}`,
    ),
  ]);
}

function seedMlflow(url: string, experimentId: string): Promise<void> {
  const id = 'md5(n::text)';
  return seed(url, (rows) => [
    `insert into runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,
      end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)
     select ${id}, 'run-' || n, 'UNKNOWN', '', '', 'bench', ${STATUS}, ${START_MS} + n * 1000,
       ${START_MS} + n * 1000, '', 'active',
       'mlflow-artifacts:/${experimentId}/' || ${id} || '/artifacts', ${experimentId} from ${rows}`,
    ...metricKeys.map(
      (key) => `insert into latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
     select '${key}', ${random(key)}, ${START_MS} + n * 1000, 1, false, ${id} from ${rows}`,
    ),
    ...pairs(PARAMS).map(
      ([key, value]) => `insert into params (key, value, run_uuid) select '${key}', ${value}, ${id} from ${rows}`,
    ),
    ...pairs(TAGS).map(
      ([key, value]) => `insert into tags (key, value, run_uuid) select '${key}', ${value}, ${id} from ${rows}`,
    ),
  ]);
}

/** Sends one search; returns the names of the runs found. */
type Send = (search: Search) => Promise<{ ms: number; names: string[] }>;

interface RestPage {
  runs?: { info: { run_name: string } }[];
  next_page_token?: string;
}

function overRest(tracker: Tracker, experimentId: string): Send {
  const send = (search: Search, token?: string) =>
    tracker.timedPost<RestPage>('runs/search', {
      experiment_ids: [experimentId],
      filter: search.filter,
      order_by: search.orderBy,
      max_results: PAGE,
      ...(token && { page_token: token }),
    });
  return async (search) => {
    const token = search.next && (await send(search)).answer.next_page_token;
    const { ms, answer } = await send(search, token);
    return { ms, names: (answer.runs ?? []).map(({ info }) => info.run_name) };
  };
}

function overGraphql(service: Service, experimentId: string): Send {
  const send = (search: Search, after?: string | null) =>
    service.send(BenchSearchRunsDocument, {
      experimentId,
      where: search.filter,
      orderBy: search.order,
      first: PAGE,
      ...(after && { after }),
    });
  return async (search) => {
    const after = search.next && (await send(search)).runs.pageInfo.endCursor;
    const started = performance.now();
    const { runs } = await send(search, after);
    return { ms: performance.now() - started, names: runs.nodes.map(({ name }) => name) };
  };
}

type Side = keyof typeof TIMES;

/**
 * Milliseconds of each search on each side. The sides take turns, so that other load of the machine affects all; the
 * first round is not counted.
 */
async function measure(sends: Record<Side, Send>): Promise<Record<Side, number[][]>> {
  const times: Record<Side, number[][]> = { mlflow: [], rest: [], graphql: [] };
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, search] of SEARCHES.entries()) {
      let expected: string | null = null;
      for (const side of ['mlflow', 'rest', 'graphql'] as const) {
        for (let n = 0; n < TIMES[side]; n++) {
          const { ms, names } = await sends[side](search);
          expected ??= names.join();
          if (names.join() !== expected) throw new Error(`another answer than MLflow's to ${JSON.stringify(search)}`);
          if (round > 0) (times[side][i] ??= []).push(ms);
        }
      }
    }
  }
  return times;
}

const describe = ({ filter, orderBy, next }: Search) =>
  [filter || 'all', ...(orderBy.length > 0 ? ['by', orderBy.join(', ')] : []), ...(next ? ['(page 2)'] : [])].join(' ');

const summary = (times: number[][]): Figures => ({
  p50Ms: percentile(times.flat(), 0.5),
  p95Ms: percentile(times.flat(), 0.95),
});

await withMlflow(async ({ service, ours, mlflow }) => {
  const create = async (tracker: Tracker) =>
    (await tracker.post<{ experiment_id: string }>('experiments/create', { name: 'search' })).experiment_id;
  const [theirId, ourId] = [await create(mlflow), await create(ours)];
  const uuid = ourId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  await seedMlflow(mlflow.databaseUrl, theirId);
  await seedService(await service.databaseUrl(), uuid);
  const times = await measure({
    mlflow: overRest(mlflow, theirId),
    rest: overRest(ours, ourId),
    graphql: overGraphql(service, uuid),
  });
  const p50 = (side: Side, i: number) => percentile(times[side][i]!, 0.5);
  report('search', percentile(times.mlflow.flat(), 0.95) / percentile(times.rest.flat(), 0.95), 20, 'higher', {
    runs: RUNS,
    searches: SEARCHES.length,
    mlflow: { ...summary(times.mlflow), memoryMib: memoryMib(mlflow.pid) },
    rest: summary(times.rest),
    graphql: summary(times.graphql),
    serviceMemoryMib: memoryMib(service.pid),
    p50MsBySearch: Object.fromEntries(
      SEARCHES.map((search, i) => [
        describe(search),
        {
          mlflow: p50('mlflow', i),
          rest: p50('rest', i),
          graphql: p50('graphql', i),
          times: p50('mlflow', i) / p50('rest', i),
        },
      ]),
    ),
  });
});
