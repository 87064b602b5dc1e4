import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  AbTestDocument,
  PlanAbTestDocument,
  RecordOutcomesDocument,
  StartAbTestDocument,
} from '../../schema/generated/operations.js';
import { PredictDetailsDocument } from '../generated/operations.js';
import { pairOf, testOf } from '../support/ab-tests.js';
import { ServiceGroup } from '../support/processes.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';

let group: ServiceGroup;
let service: TestService;
let here: Caller;
let db: pg.Client;
/** Holds locks: in a transaction, the list of what waits would not change. */
let holder: pg.Client;

beforeAll(async () => {
  group = await ServiceGroup.create();
  service = await startTestService({ ROLE: 'api', DATA_DIR: group.dataDir }, group.database);
  here = await service.as();
  db = new pg.Client({ connectionString: group.database.url });
  holder = new pg.Client({ connectionString: group.database.url });
  await Promise.all([db.connect(), holder.connect()]);
});
afterAll(async () => {
  await Promise.all([db?.end(), holder?.end()]);
  await service?.close();
  await group?.close();
});

async function numberOf(query: string, ...values: unknown[]): Promise<number> {
  const { rows } = await db.query<{ n: number }>(query, values);
  return rows[0]!.n;
}

const requestsOf = (id: string) =>
  numberOf('select coalesce(sum(requests), 0)::int as n from ab_test_key where test_id = $1', id);

/** How many statements like this wait for a lock. */
const waiting = (statement: string) =>
  numberOf(
    `select count(*)::int as n from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock' and query ilike $1`,
    statement,
  );

async function isWaiting(statement: string): Promise<void> {
  await expect.poll(() => waiting(statement), { timeout: 15_000, interval: 20 }).toBeGreaterThan(0);
}

async function ask(caller: Caller, endpointId: string, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 20)
    await Promise.all(
      Array.from({ length: Math.min(20, to - at) }, (_, i) => {
        const rows = [{ x: ((at + i) * 37) % 11 }];
        return caller.ok(PredictDetailsDocument, { input: { endpointId, rows, routingKey: `k${at + i}` } });
      }),
    );
}

it('an A/B test survives processes that are killed with -9 while they count, look and decide', async () => {
  const [worker, api] = await Promise.all([group.start('worker'), group.start('api')]);
  const there = await group.as(api);
  const pair = await pairOf(service, here, 2);
  const { endpointId } = pair;
  const { planAbTest } = await here.ok(PlanAbTestDocument, { input: testOf(pair, {}) });
  const { id } = planAbTest.abTest;
  const orders = (from: number, to: number) => ({
    endpointId,
    outcomes: Array.from({ length: to - from }, (_, i) => ({
      ...{ id: `order ${from + i}`, routingKey: `k${from + i}`, metric: 'revenue', value: 1 },
    })),
  });
  await here.ok(RecordOutcomesDocument, {
    input: { endpointId, outcomes: [{ ...orders(0, 1).outcomes[0]!, id: 'o' }] },
  });
  const { startAbTest } = await here.ok(StartAbTestDocument, { input: { abTestId: id, plannedKeys: 600 } });
  await new Promise((resolve) =>
    setTimeout(resolve, new Date(startAbTest.abTest.startedAt!).getTime() - Date.now() + 50),
  );
  await ask(there, endpointId, 0, 100);
  expect((await there.ok(RecordOutcomesDocument, { input: orders(0, 50) })).recordOutcomes.recorded).toBe(50);
  await expect.poll(() => requestsOf(id), { timeout: 5_000 }).toBe(100);

  // While this transaction holds the test, counts, outcomes and a look are under way, and nobody can end them.
  await holder.query('begin');
  await holder.query('select 1 from ab_test where id = $1 for update', [id]);
  await ask(there, endpointId, 100, 140);
  const cut = there.ok(RecordOutcomesDocument, { input: orders(50, 100) }).catch(() => 'cut');
  await isWaiting('insert into "ab_test_key"%');
  await isWaiting('insert into "ab_test_outcome_id"%');
  await isWaiting('select % from "ab_test" %for update%');
  await Promise.all([worker.end('SIGKILL'), api.end('SIGKILL')]);
  expect(await cut).toBe('cut');
  await holder.query('rollback');
  await expect.poll(() => waiting('%ab_test%')).toBe(0);
  expect(await requestsOf(id)).toBe(100);
  expect(await numberOf('select count(*)::int as n from ab_test_look where test_id = $1', id)).toBe(0);
  // The client repeats what it got no answer to, and more.
  const repeated = await here.ok(RecordOutcomesDocument, { input: orders(0, 100) });
  expect(repeated.recordOutcomes).toEqual({ recorded: 50, unused: 0, repeated: 50 });

  // Another worker takes the look that was lost; then the keys for the decision come.
  const second = await group.start('worker');
  const looks = () => numberOf('select count(*)::int as n from ab_test_look where test_id = $1', id);
  await expect.poll(looks, { timeout: 15_000, interval: 50 }).toBe(1);
  await holder.query('begin');
  // Nobody can write evidence: the last thing that a decision does.
  await holder.query('lock table gate_result in share mode');
  await ask(here, endpointId, 100, 600);
  await isWaiting('insert into "gate_result"%');
  await second.end('SIGKILL');
  await holder.query('rollback');
  await expect.poll(() => waiting('%gate_result%')).toBe(0);
  const show = async () => (await here.ok(AbTestDocument, { id })).abTest;
  await expect.poll(async () => (await show()).status).toBe('RUNNING');
  expect(await numberOf('select count(*)::int as n from gate_result')).toBe(0);

  await Promise.all([group.start('worker'), group.start('worker')]);
  await expect.poll(async () => (await show()).status, { timeout: 15_000, interval: 50 }).toBe('DECIDED');
  const { decision, newestLook } = await show();
  expect(decision).toMatchObject({ kind: 'WINNER', variant: 'new' });
  expect(newestLook!.keys.reduce((sum, n) => sum + n, 0)).toBe(600);
  expect(newestLook!.mixedKeys).toBe(0);
  expect(await requestsOf(id)).toBe(600);
  const { rows: kept } = await db.query<{ seq: string; information: number | null; decided: boolean }>(
    `select seq, information, analysis -> 'decision' <> 'null' as decided from ab_test_look
     where test_id = $1 order by seq`,
    [id],
  );
  expect(kept.map(({ seq }) => Number(seq))).toEqual(kept.map((_, i) => i + 1));
  const spent = kept.flatMap(({ information }) => information ?? []);
  expect(spent).toEqual([...new Set(spent)].toSorted((a, b) => a - b));
  expect(kept.filter(({ decided }) => decided)).toHaveLength(1);
  expect(
    await numberOf(`select count(*)::int as n from event where subject_id = $1 and type = 'AB_TEST_ENDED'`, id),
  ).toBe(1);
  expect(await numberOf('select count(*)::int as n from gate_result')).toBe(1);
  const { rows: weights } = await db.query<{ id: string; weight_bps: number }>(
    'select id, weight_bps from deployment where endpoint_id = $1 order by weight_bps',
    [endpointId],
  );
  expect(weights).toEqual([
    { id: pair.control, weight_bps: 0 },
    { id: pair.treatment, weight_bps: 10_000 },
  ]);
  const revenue = await numberOf(
    'select sum(total + past_total)::int as n from ab_test_outcome where test_id = $1',
    id,
  );
  expect(revenue).toBe(101);
  console.log('A/B test: two workers and an API process killed -9 as they counted, looked and decided; all was once');
}, 120_000);
