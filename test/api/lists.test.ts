import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLANNER } from '../../src/db/database.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CreateExperimentDetailsDocument,
  RunsEndCursorDocument,
  RunsTotalCountDocument,
  RunsIdDocument,
  type RunOrderInput,
  RunsParamsMetricsDocument,
} from '../generated/operations.js';

const RUNS = 100_000;
const RUN_SEARCH = /^select .* from "run" as "r" /s;

let service: TestService;
let tess: Caller;
let admin: pg.Client;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  admin = new pg.Client({ connectionString: service.database.url, options: PLANNER });
  await admin.connect();
  await tess.ok(CreateExperimentDetailsDocument, { input: { name: 'large' } });
  await admin.query(
    `insert into run (id, tenant, experiment_id, name, status, created_by, created_at)
     select gen_random_uuid(), 'acme', e.id, 'run-' || n, 'FINISHED', 'tess',
       timestamptz '2026-01-01' + n * interval '1 second'
     from experiment e, generate_series(1, $1) n`,
    [RUNS],
  );
  await admin.query(
    `insert into metric_latest (tenant, run_id, key, step, logged_at, value) select tenant, id, 'loss', 1, ` +
      'now(), random() from run',
  );
  await admin.query(
    `insert into run_param (tenant, run_id, key, value) select tenant, id, 'lr', (1000 * random())::int::text from run`,
  );
  await admin.query('analyze');
});
afterAll(async () => {
  await admin?.end();
  await service?.close();
});

/** The plan of the newest statement with this beginning, for the role and the tenant of the request. */
async function planOf(pattern: RegExp): Promise<string> {
  const { text, params } = service.queries.findLast((query) => pattern.test(query.text))!;
  await admin.query('begin');
  await admin.query(`select set_config('matih.tenant', 'acme', true), set_config('role', 'matih_app', true)`);
  const { rows } = await admin.query<{ 'QUERY PLAN': string }>(`explain ${text}`, [...params]);
  await admin.query('rollback');
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

const orderBy: RunOrderInput[] = [{ field: 'METRIC', key: 'loss', direction: 'DESC' }];

describe('runs of an experiment with 100,000', () => {
  const first = 100;
  const searches: Record<string, () => Promise<{ runs: { nodes: unknown[] } }>> = {
    'newest first': () => tess.ok(RunsParamsMetricsDocument, { first }),
    'by state': () => tess.ok(RunsIdDocument, { first, filter: { status: ['FINISHED'] } }),
    'by parameter': () => tess.ok(RunsIdDocument, { first, filter: { params: [{ key: 'lr', value: '17' }] } }),
    'by metric': () => tess.ok(RunsIdDocument, { first, where: 'metrics.loss < 0.0005' }),
    'by metric and parameter': () =>
      tess.ok(RunsIdDocument, { first, where: "metrics.loss < 0.5 AND params.lr IN ('17', '18')" }),
    'the best ones': () => tess.ok(RunsIdDocument, { first, orderBy }),
    'the best of a parameter': () => tess.ok(RunsIdDocument, { first: 20, where: "params.lr = '17'", orderBy }),
  };
  for (const [what, search] of Object.entries(searches)) {
    it(`are read through an index: ${what}`, async () => {
      const { runs } = await search();
      expect(runs.nodes.length).toBeGreaterThan(10);
      const plan = await planOf(RUN_SEARCH);
      expect(plan).toMatch(/Index|Bitmap/);
      expect(plan).not.toMatch(/Seq Scan on (run|metric_latest|run_param)\b/);
    });
  }

  it('use the index of a metric from where a page ended', async () => {
    const page = (after: string | null) =>
      tess.ok(RunsEndCursorDocument, {
        first: 50,
        after,
        orderBy,
      });
    const { runs } = await page(null);
    await page(runs.pageInfo.endCursor);
    expect(await planOf(RUN_SEARCH)).toMatch(/metric_latest_by_value[\s\S]*Index Cond: .*value <= /);
  });

  it('are counted only when the count is selected', async () => {
    const counts = () => service.statements.filter((statement) => /count\(/i.test(statement)).length;
    service.statements.length = 0;
    await tess.ok(RunsIdDocument, { first: 1 });
    expect(counts()).toBe(0);
    expect(await tess.ok(RunsTotalCountDocument, { first: 1 })).toEqual({ runs: { totalCount: RUNS } });
    expect(counts()).toBe(1);
  });
});
