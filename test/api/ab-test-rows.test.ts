import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  AbTestDocument,
  PlanAbTestDocument,
  RecordOutcomesDocument,
  StartAbTestDocument,
} from '../../schema/generated/operations.js';
import { AbTestSizeDocument, StopAbTestDetailsDocument } from '../generated/operations.js';
import { type Pair, pairOf, testOf } from '../support/ab-tests.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { predict, x } from '../support/serving.js';

const MAX_ROWS = 100;

let service: TestService;
let tess: Caller;
let db: pg.Client;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '1', AB_TEST_MAX_ROWS: String(MAX_ROWS) });
  tess = await service.as();
  db = new pg.Client({ connectionString: service.database.url });
  await db.connect();
});
afterAll(async () => {
  await db?.end();
  await service?.close();
});

async function planned(pair: Pair, more: Parameters<typeof testOf>[1] = {}): Promise<string> {
  const { planAbTest } = await tess.ok(PlanAbTestDocument, { input: testOf(pair, more) });
  // Until the process knows that the endpoint has a test.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return planAbTest.abTest.id;
}

async function started(abTestId: string): Promise<void> {
  const { startAbTest } = await tess.ok(StartAbTestDocument, { input: { abTestId, plannedKeys: MAX_ROWS } });
  const waitMs = new Date(startAbTest.abTest.startedAt!).getTime() - Date.now();
  await new Promise((resolve) => setTimeout(resolve, waitMs + 50));
}

const outcome = (key: string, id?: string) => ({ id, routingKey: key, metric: 'revenue', value: 1 });
const record = async (endpointId: string, outcomes: ReturnType<typeof outcome>[]) =>
  (await tess.ok(RecordOutcomesDocument, { input: { endpointId, outcomes } })).recordOutcomes;

async function ask({ endpointId }: Pair, keys: string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += 20)
    await Promise.all(
      keys
        .slice(at, at + 20)
        .map((routingKey, i) => predict(tess, { endpointId, routingKey, tensors: [x([(i * 7) % 5])] })),
    );
  await service.app.context.services.keyCounter.flush();
}

const keysOf = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i}`);

/** Rows of a test and their sum, by table. */
async function rowsOf(testId: string) {
  const { rows } = await db.query<{ keys: number; requests: number; outcomes: number; ids: number; total: number }>(
    `select (select count(*)::int from ab_test_key where test_id = $1) as keys,
       (select coalesce(sum(requests + past_requests), 0)::int from ab_test_key where test_id = $1) as requests,
       (select count(*)::int from ab_test_outcome where test_id = $1) as outcomes,
       (select coalesce(sum(total + past_total), 0)::int from ab_test_outcome where test_id = $1) as total,
       (select count(*)::int from ab_test_outcome_id where test_id = $1) as ids`,
    [testId],
  );
  return rows[0]!;
}

it('a test with as many keys as it may have leaves new ones out, says so, and ends', { timeout: 60_000 }, async () => {
  const pair = await pairOf(service, tess, 0);
  // Two versions that are alike: by chance, the last look finds a difference in one of a million runs.
  const id = await planned(pair, { alpha: 0.000001 });
  await record(pair.endpointId, [outcome('first')]);
  const many = await tess.fails(StartAbTestDocument, { input: { abTestId: id, plannedKeys: MAX_ROWS + 1 } });
  expect(many.extensions).toMatchObject({ code: 'CONFLICT', field: 'input.plannedKeys' });
  expect(many.message).toContain('at most 100 (AB_TEST_MAX_ROWS)');
  await ask(pair, keysOf('past', 60));
  await started(id);
  await ask(pair, keysOf('early', 40));
  expect((await tess.ok(AbTestSizeDocument, { id })).abTest.isFull).toBe(true);
  // A key that is known counts on.
  await ask(pair, [...keysOf('late', 30), 'early0', 'past0']);
  expect(await rowsOf(id)).toMatchObject({ keys: MAX_ROWS, requests: 102 });
  const look = async () => (await tess.ok(AbTestDocument, { id })).abTest;
  await expect.poll(async () => (await look()).status, { timeout: 20_000, interval: 200 }).toBe('DECIDED');
  const { decision, newestLook } = await look();
  expect(decision!.kind).toBe('NO_DIFFERENCE');
  expect(newestLook!.keys.reduce((sum, n) => sum + n, 0)).toBe(41);
});

it('a test whose past has filled it does not start', async () => {
  const pair = await pairOf(service, tess, 0);
  const id = await planned(pair);
  await record(pair.endpointId, [outcome('first')]);
  await ask(pair, keysOf('past', MAX_ROWS));
  const full = await tess.fails(StartAbTestDocument, { input: { abTestId: id } });
  expect(full.extensions.code).toBe('CONFLICT');
  expect(full.message).toContain('The past of the test has 100 routing keys already');
});

it('outcomes beyond the limit are refused as a whole, those of known keys are not', async () => {
  const pair = await pairOf(service, tess, 0);
  const { endpointId } = pair;
  const id = await planned(pair);
  const first = keysOf('k', 45).map((key) => outcome(key, `order of ${key}`));
  expect(await record(endpointId, first)).toMatchObject({ recorded: 45 });
  const input = { endpointId, outcomes: keysOf('new', 11).map((key) => outcome(key)) };
  const refused = await tess.fails(RecordOutcomesDocument, { input });
  expect(refused.extensions).toMatchObject({ code: 'RESOURCE_EXHAUSTED', field: 'input.outcomes', got: '11 new rows' });
  expect(await rowsOf(id)).toMatchObject({ outcomes: 45, ids: 45, total: 45 });
  expect(await record(endpointId, input.outcomes.slice(0, 10))).toMatchObject({ recorded: 10 });
  expect(await record(endpointId, [...first, outcome('k0')])).toEqual({ recorded: 1, unused: 0, repeated: 45 });
  expect(await rowsOf(id)).toMatchObject({ outcomes: 55, ids: 45, total: 56 });
});

it('keys and outcomes of a test are deleted a month after its end, and its results stay', async () => {
  const pair = await pairOf(service, tess, 3);
  const ended: string[] = [];
  for (const days of [31, 29]) {
    const id = await planned(pair, { standardDeviation: 2, keysPerDay: null });
    await record(pair.endpointId, [outcome('k0', `order ${days}`)]);
    await ask(pair, keysOf('k', 20));
    await started(id);
    await ask(pair, keysOf('k', 20));
    await expect
      .poll(async () => (await tess.ok(AbTestDocument, { id })).abTest.newestLook, { timeout: 15_000, interval: 200 })
      .not.toBeNull();
    await tess.ok(StopAbTestDetailsDocument, { input: { abTestId: id, reason: 'enough' } });
    await db.query(`update ab_test set ended_at = now() - $2 * interval '1 day' where id = $1`, [id, days]);
    ended.push(id);
  }
  const [old, young] = ended as [string, string];
  const show = async (id: string) => ({
    ...(await tess.ok(AbTestDocument, { id })).abTest,
    ...(await tess.ok(AbTestSizeDocument, { id })).abTest,
  });
  const before = await Promise.all(ended.map(show));
  expect(before[0]!.plan!.keysPerDay).toBeGreaterThan(0);
  const kept = await rowsOf(young);
  expect(kept).toMatchObject({ keys: 20, outcomes: 1, ids: 1 });
  await service.app.context.services.retention.prune();
  expect(await rowsOf(old)).toEqual({ keys: 0, requests: 0, outcomes: 0, ids: 0, total: 0 });
  expect(await rowsOf(young)).toEqual(kept);
  expect(await Promise.all(ended.map(show))).toEqual(before);
}, 60_000);
