import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { CreateRunDocument, LogMetricsDocument } from '../../schema/generated/operations.js';
import {
  CompareRunsDetailsDocument,
  CreateExperimentDetailsDocument,
  RunDetailsDocument,
  RunForMetricHistory2Document,
  RunForMetricHistoryDocument,
  RunsHistoriesDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let admin: pg.Client;
let runId: string;

const LONG = 200_000;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  admin = new pg.Client({ connectionString: service.database.url });
  await admin.connect();
  const made = await tess.ok(CreateExperimentDetailsDocument, { input: { name: 'histories' } });
  runId = await newRun(made.createExperiment.experiment.id);
});
afterAll(async () => {
  await admin?.end();
  await service?.close();
});

async function newRun(experimentId: string): Promise<string> {
  const { createRun } = await tess.ok(CreateRunDocument, { input: { experimentId } });
  return createRun.run.id;
}

/**
 * Points `first` to `last` of a wave with a peak, a NaN and an infinity, and of a key that is logged every tenth time.
 */
async function seed(first: number, last: number): Promise<void> {
  await admin.query(
    `insert into metric_point (tenant, run_id, key, step, logged_at, value, seq)
     select 'acme', $1, case when n % 11 = 0 then 'rare' else 'wave' end, n,
       timestamptz '2026-01-01' + n * interval '1 ms',
       case n when 123457 then 99 when 150001 then 'NaN' when 160001 then 'Infinity' else sin(n / 5000.0) end, n
         from generate_series($2::int, $3::int) n`,
    [runId, first, last],
  );
  await admin.query('update run_counter set last_seq = $2 where run_id = $1', [runId, last]);
  await admin.query('analyze metric_point');
}

interface Point {
  step: number;
  value: number | string;
}

async function history(key: string, maxPoints: number): Promise<Point[]> {
  const { run } = await tess.ok(RunForMetricHistoryDocument, { id: runId, key, n: maxPoints });
  return run.metricHistory;
}

const steps = (points: Point[]) => points.map(({ step }) => step);

describe('the history of a long metric', () => {
  it('is reduced to a chart that shows its peaks, its gaps and both ends, from blocks that grow with it', async () => {
    await seed(1, LONG);
    const first = await history('wave', 1_000);
    expect(first.length).toBeLessThanOrEqual(1_000);
    expect(first.length).toBeGreaterThan(600);
    expect(steps(first)).toEqual(steps(first).toSorted((a, b) => a - b));
    expect([first[0]?.step, first.at(-1)?.step]).toEqual([1, LONG]);
    expect(first.find(({ value }) => value === 99)?.step).toBe(123_457);
    expect(first.find(({ value }) => value === 'NaN')?.step).toBe(150_001);
    expect(first.find(({ value }) => value === 'Infinity')?.step).toBe(160_001);
    service.statements.length = 0;
    expect(await history('wave', 1_000)).toEqual(first);
    expect(service.statements.filter((text) => /metric_/.test(text) && /insert|update/.test(text))).toEqual([]);
    expect(service.statements.filter((text) => /group by/.test(text))).toEqual([]);

    // Points after the blocks are visible at once, whether few or many.
    await seed(LONG + 1, LONG + 1_000);
    expect((await history('wave', 500)).at(-1)?.step).toBe(LONG + 1_000);
    await seed(LONG + 1_001, LONG + 50_000);
    const grown = await history('wave', 500);
    expect(grown.at(-1)?.step).toBe(LONG + 50_000);
    expect(grown.find(({ value }) => value === 99)?.step).toBe(123_457);
    expect(grown.length).toBeLessThanOrEqual(500);
    const covered = await admin.query(
      'select next_seq::int as next, width::int as width from metric_summary where run_id = $1',
      [runId],
    );
    expect(covered.rows).toHaveLength(1);
    const { next, width } = covered.rows[0] as { next: number; width: number };
    expect(next).toBeGreaterThan(LONG + 50_000 - width);
  });

  it('has the least and the greatest value of each interval, exactly as all its points have them', async () => {
    const shown = await history('wave', 200);
    const { rows } = await admin.query<{ step: number; value: number }>(
      "select step::int as step, value from metric_point where run_id = $1 and key = 'wave' and value < " +
        "'NaN' order by step",
      [runId],
    );
    // Every point between two shown points is within the extremes of the intervals around it.
    const numbers = shown
      .filter(({ value }) => value !== 'NaN')
      .map(({ step, value }) => ({ step, value: Number(value) }));
    let at = 0;
    for (const { step, value } of rows) {
      while (numbers[at + 1] !== undefined && numbers[at + 1]!.step <= step) at++;
      const around = numbers.slice(Math.max(0, at - 4), at + 6).map((point) => point.value);
      expect(value).toBeGreaterThanOrEqual(Math.min(...around));
      expect(value).toBeLessThanOrEqual(Math.max(...around));
    }
  });

  it('is read as a whole when it is short, several in few statements', async () => {
    const rare = await history('rare', 300);
    expect(rare.length).toBeGreaterThan(250);
    expect(rare[0]?.step).toBe(11);
    expect(await history('nothing', 100)).toEqual([]);
    service.statements.length = 0;
    const { runs } = await tess.ok(RunsHistoriesDocument);
    expect(runs.nodes[0]?.a).toHaveLength(2);
    expect(runs.nodes[0]?.b.length).toBeLessThanOrEqual(10);
    expect(service.statements.filter((text) => /metric_/.test(text)).length).toBeLessThan(8);
  });

  it('is compared by the points that show it, beside one that is read as a whole', async () => {
    const { run } = await tess.ok(RunDetailsDocument, {
      id: runId,
    });
    const short = await newRun(run.experiment.id);
    await tess.ok(LogMetricsDocument, {
      input: { runId: short, metrics: [100_000, 300_000].map((step) => ({ key: 'wave', step, value: step })) },
    });
    service.statements.length = 0;
    const { compareRuns } = await tess.ok(CompareRunsDetailsDocument, { input: { runIds: [short, runId] } });
    expect(service.statements.filter((text) => /metric_/.test(text)).length).toBeLessThan(12);
    const [rare, wave] = compareRuns.curves;
    expect(rare?.series.map(({ values }) => values.filter((value) => value !== null).length)).toEqual([0, 150]);
    expect(wave?.series.map(({ run: { id } }) => id)).toEqual([short, runId]);
    const [whole, long] = wave!.series;
    expect(whole?.values.filter((value) => value !== null)).toEqual([100_000, 300_000]);
    // The long one ends at step 250,000 of 300,000, and has a value in each interval before.
    const filled = wave!.places.filter((_place, i) => long!.values[i] !== null);
    expect(filled.length).toBeGreaterThanOrEqual(125);
    expect(filled.length).toBeLessThanOrEqual(126);
    const peak = long!.highs.indexOf(99);
    expect(Number(wave!.places[peak - 1]) < 123_457 && 123_457 <= Number(wave!.places[peak])).toBe(true);
    expect(long!.highs.filter((value) => value === 'Infinity')).toHaveLength(1);
  });

  it('is divided into blocks once by readers at the same time', async () => {
    await admin.query('delete from metric_summary');
    const all = await Promise.all(Array.from({ length: 6 }, () => history('wave', 100)));
    for (const one of all) expect(one).toEqual(all[0]);
    const { rows } = await admin.query(
      'select count(*)::int as n, count(distinct block)::int as blocks from metric_block',
    );
    expect(rows[0]).toMatchObject({ n: (rows[0] as { blocks: number }).blocks });
  });

  it('refuses numbers of points that no chart can have', async () => {
    for (const n of [1, 10_001, -5]) {
      const error = await tess.fails(RunForMetricHistory2Document, {
        id: runId,
        n,
      });
      expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'maxPoints' });
    }
  });
});
