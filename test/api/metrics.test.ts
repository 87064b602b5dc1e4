import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { FollowAlertsDocument } from '../../schema/generated/operations.js';
import { AlertForMetricsDocument, RunMonitoringForMetricsDocument } from '../generated/operations.js';

let service: TestService;

beforeAll(async () => {
  service = await startTestService({ MONITORING_INTERVAL_MS: '3600000' });
});
afterAll(() => service?.close());

/** Values by name and labels. */
async function scrape(): Promise<Map<string, number>> {
  const response = await fetch(`${service.url}/metrics`);
  expect(response.status).toBe(200);
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

it('/metrics counts operations by field and code, and shows jobs, alerts, sockets, hosts and connections', async () => {
  const tess = await service.as();
  const traffic = await TrafficWriter.connect(service.database.url);
  const served = await traffic.serve(null, { slaMs: 1 });
  await traffic.count(served, { requests: 60, latencyMs: 90 });
  await tess.ok(RunMonitoringForMetricsDocument, {
    id: served.deploymentId,
  });
  await traffic.query(
    'insert into job (id, tenant, kind, status, config, created_by, enqueued_attempt, enqueued_at) values ' +
      `(gen_random_uuid(), 'acme', 'VALIDATION', 'QUEUED', '{}', 'tess', 9, now() + interval '1 day')`,
  );
  await traffic.end();
  await tess.fails(AlertForMetricsDocument);
  await tess.fails(`query mine { nothing }`);
  const socket = tess.socket();
  const running = socket.iterate({ query: FollowAlertsDocument.toString() });
  void running.next();
  await expect.poll(async () => (await scrape()).get('matih_subscriptions')).toBe(1);
  const values = await scrape();
  expect(values.get('matih_graphql_operations_total{field="runMonitoring",code="OK"}')).toBe(1);
  expect(values.get('matih_graphql_operations_total{field="alert",code="NOT_FOUND"}')).toBe(1);
  expect(values.get('matih_graphql_operations_total{field="other",code="BAD_USER_INPUT"}')).toBe(1);
  expect(values.get('matih_graphql_operation_duration_seconds_count{field="runMonitoring"}')).toBe(1);
  expect(values.get('matih_open_alerts{kind="LATENCY"}')).toBe(1);
  expect(values.get('matih_jobs{kind="VALIDATION",status="QUEUED"}')).toBe(1);
  expect(values.get('matih_websockets')).toBe(1);
  expect(values.get('matih_inference_hosts{engine="online"}')).toBe(0);
  expect(values.get('matih_database_connections{state="waiting"}')).toBe(0);
  expect(values.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
  expect([...values.keys()].filter((name) => name.includes('acme') || name.includes('mine'))).toEqual([]);
  await socket.dispose();
  await expect.poll(async () => (await scrape()).get('matih_subscriptions')).toBe(0);
});
