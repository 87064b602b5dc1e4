import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { linear, placesBelow4 } from '../fixtures/models/build.js';
import { ServiceGroup, type ServiceProcess } from '../support/processes.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { makeVersion, serve, xToY } from '../support/serving.js';
import { CanaryDetailsDocument, PredictDetailsDocument, StartCanaryDetailsDocument } from '../generated/operations.js';

let group: ServiceGroup;
let service: TestService;
let here: Caller;
let db: pg.Client;

beforeAll(async () => {
  group = await ServiceGroup.create();
  service = await startTestService({ ROLE: 'api', DATA_DIR: group.dataDir }, group.database);
  here = await service.as();
  db = new pg.Client({ connectionString: group.database.url });
  await db.connect();
});
afterAll(async () => {
  await db?.end();
  await service?.close();
  await group?.close();
});

const GUARDS = [{ kind: 'ERROR_RATE' as const, maxIncrease: 0.2 }];

async function start(bytes: Uint8Array, steps: { weightBps: number; bakeSeconds: number }[]) {
  const { endpointId, modelId } = await serve(service, here, { bytes: linear([1], 0), signature: xToY(1) });
  const { versionId: modelVersionId } = await makeVersion(service, { bytes, signature: xToY(1), modelId });
  const input = { endpointId, modelVersionId, steps, guards: GUARDS, minRequests: 20 };
  const { startCanary } = await here.ok(StartCanaryDetailsDocument, { input });
  return { endpointId, id: startCanary.canary.id };
}

const get = async (id: string) => (await here.ok(CanaryDetailsDocument, { id })).canary;
async function reached(id: string, status: string): Promise<void> {
  await expect.poll(async () => (await get(id)).status, { timeout: 30_000, interval: 50 }).toBe(status);
}

/** How many times each event of the canary was written. */
async function events(id: string): Promise<Record<string, number>> {
  const { rows } = await db.query<{ type: string; n: number }>(
    'select type, count(*)::int as n from event where subject_id = $1 group by type',
    [id],
  );
  return Object.fromEntries(rows.map(({ type, n }) => [type, n]));
}

async function ask(caller: Caller, endpointId: string, count: number, x: number): Promise<void> {
  for (let i = 0; i < count; i += 20)
    await Promise.all(
      Array.from({ length: 20 }, (_, j) =>
        caller.send(PredictDetailsDocument, { input: { endpointId, rows: [{ x }], routingKey: `k${i + j}` } }),
      ),
    );
}

it('a canary survives workers and an API process that are killed with -9, and each move is made once', async () => {
  const workers: ServiceProcess[] = await Promise.all([group.start('worker'), group.start('worker')]);
  const api = await group.start('api');
  const there = await group.as(api);
  const good = await start(linear([2], 0), [
    { weightBps: 2_500, bakeSeconds: 3 },
    { weightBps: 5_000, bakeSeconds: 3 },
  ]);
  await reached(good.id, 'RUNNING');
  await ask(there, good.endpointId, 400, 1);
  // What the process has counted is written at most a second later.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await Promise.all([api.end('SIGKILL'), ...workers.map((worker) => worker.end('SIGKILL'))]);
  const held = await get(good.id);
  await ask(here, good.endpointId, 400, 1);
  expect((await get(good.id)).status).toBe(held.status);
  await Promise.all([group.start('worker'), group.start('worker')]);
  await reached(good.id, 'PROMOTED');
  expect(await events(good.id)).toEqual({ CANARY_STARTED: 1, CANARY_STEPPED: 2, CANARY_PROMOTED: 1 });

  const bad = await start(placesBelow4(), [{ weightBps: 4_000, bakeSeconds: 3_600 }]);
  await reached(bad.id, 'RUNNING');
  await ask(here, bad.endpointId, 300, 2_000);
  await reached(bad.id, 'ROLLED_BACK');
  expect(await events(bad.id)).toEqual({ CANARY_STARTED: 1, CANARY_STEPPED: 1, CANARY_ROLLED_BACK: 1 });
  expect((await get(bad.id)).stableDeployment).toMatchObject({ status: 'READY', weightBps: 10_000 });
  console.log('canaries: two workers and an API process killed -9; each step, promotion and rollback was made once');
});
