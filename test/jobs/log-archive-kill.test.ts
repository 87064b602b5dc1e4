import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CollectGarbageDocument } from '../../schema/generated/operations.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { linear } from '../fixtures/models/build.js';
import { logFiles, rowsOfFile } from '../support/log-archive.js';
import { ServiceGroup } from '../support/processes.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { serve, xToY } from '../support/serving.js';

const HOURS = 120;
const KILLS = 6;
const RETENTION_DAYS = 1;

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

it('two workers that are killed -9 while they archive write each hour once and lose none', async () => {
  const settings = { logArchiveDays: 365, logRetentionDays: RETENTION_DAYS };
  const model = { bytes: linear([2], 0), signature: xToY(1) };
  const { endpointId, deploymentId, versionId } = await serve(service, here, model, settings);
  // Two requests in each hour, with the number of the hour as their input.
  await db.query(
    `insert into prediction_log (id, tenant, created_at, endpoint_id, deployment_id, model_version_id, mode, request_id,
       rows, latency_ms, inputs, scores, answers)
     select gen_random_uuid(), 'acme',
       date_trunc('hour', now(), 'UTC') - (n / 2 + 1) * interval '1 hour' + interval '30 minutes', $1, $2, $3, 'LIVE',
       'r-' || n, 1, 1, jsonb_build_object('x', jsonb_build_array(n / 2)), jsonb_build_array(n), '{"kind": "VALUES"}'
     from generate_series(0, $4::int) n`,
    [endpointId, deploymentId, versionId, HOURS * 2 - 1],
  );
  const archived = async () => (await logFiles(here, { endpointId, first: 1 })).totalCount;
  const start = () => group.start('worker', { MONITORING_INTERVAL_MS: '200' });
  const seen: number[] = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    const workers = await Promise.all([start(), start()]);
    const wanted = Math.floor((HOURS * kill) / (KILLS + 1));
    await expect.poll(archived, { timeout: 60_000, interval: 5 }).toBeGreaterThanOrEqual(wanted);
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    seen.push(await archived());
  }
  expect(seen.filter((count) => count < HOURS).length).toBeGreaterThan(0);
  await Promise.all([start(), start()]);
  await expect.poll(archived, { timeout: 60_000 }).toBe(HOURS);

  const numbers: number[] = [];
  const hours = new Set<string>();
  for (let after: string | null = null; ;) {
    const page = await logFiles(here, { endpointId, first: 50, after });
    for (const file of page.nodes) {
      hours.add(file.hour);
      const rows = await rowsOfFile(service.url, file, ['log_request_id', 'x']);
      expect(rows).toHaveLength(2);
      expect(new Set(rows.map(([, x]) => x)).size).toBe(1);
      for (const [id] of rows) numbers.push(Number(String(id).slice(2)));
    }
    if (!page.pageInfo.hasNextPage) break;
    after = page.pageInfo.endCursor!;
  }
  expect(hours.size).toBe(HOURS);
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: HOURS * 2 }, (_, i) => i));

  // What a killed process had stored is known and will be swept.
  const root = await service.as({ role: Role.ADMIN });
  const { collectGarbage } = await root.ok(CollectGarbageDocument, { input: { checkStorage: true } });
  const report = async () => {
    const { rows } = await db.query<{ status: string; result: { storage: object } }>(
      'select status, result from job where id = $1',
      [collectGarbage.job.id],
    );
    return rows[0]!.status === 'SUCCEEDED' ? rows[0]!.result.storage : rows[0]!.status;
  };
  await expect
    .poll(report, { timeout: 30_000 })
    .toMatchObject({ objectsWithoutRow: { keys: [] }, rowsWithoutObject: { keys: [] } });
  const { rows: staged } = await db.query<{ n: number }>(
    `select count(*)::int n from staged_object where object_key like 'acme/request-logs/%'`,
  );
  console.log(
    `log archive: two workers killed -9 ${KILLS} times, with ${seen.join(', ')} of ${HOURS} hours written; each hour is ` +
      `there once, ${staged[0]!.n} unfinished files wait to be swept`,
  );
});
