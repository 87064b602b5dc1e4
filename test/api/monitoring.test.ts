import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { type Flight, type FlightWorld, flightWorld, type ServedModel, TrafficWriter } from '../support/traffic.js';
import { AuditLogDocument, FollowAlertsDocument } from '../../schema/generated/operations.js';
import {
  AlertDetailsDocument,
  AlertsDetailsDocument,
  EventsDetailsDocument,
  MonitoringWindowsDetailsDocument,
  ResolveAlertDetailsDocument,
  RunMonitoringDetailsDocument,
  RunMonitoringForMonitoringDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let traffic: TrafficWriter;
let world: FlightWorld;
let usualAt = 0;

beforeAll(async () => {
  // Monitoring does not run by itself, so that each test decides when it runs.
  [service, world] = await Promise.all([startTestService({ MONITORING_INTERVAL_MS: '3600000' }), flightWorld()]);
  traffic = await TrafficWriter.connect(service.database.url);
  tess = await service.as();
});
afterAll(async () => {
  await traffic?.end();
  await service?.close();
});

interface AlertShape {
  id: string;
  kind: string;
  status: string;
  value: number;
  message: string;
  details: Record<string, unknown>;
}

interface WindowShape {
  id: string;
  drift: {
    rows: number;
    drifted: boolean;
    features: { feature: string; kind: string; psi: number; drifted: boolean }[];
    prediction: { sigmas: number; drifted: boolean };
  } | null;
  traffic: { requests: number; errors: number; latencyP95Ms: number } | null;
}

interface Look {
  window: WindowShape | null;
  reason: string | null;
  alerts: AlertShape[];
}

async function look({ deploymentId }: ServedModel): Promise<Look> {
  return (await tess.ok(RunMonitoringForMonitoringDocument, { input: { deploymentId } })).runMonitoring as Look;
}

/** The next flights that are in no window. */
function usual(rows: number): Flight[] {
  usualAt += rows;
  return world.usual.slice(usualAt - rows, usualAt);
}

const kinds = ({ alerts }: Look) => alerts.map(({ kind, status }) => `${kind} ${status}`);

describe('drift of real flights', () => {
  it('opens no alert for the same distribution, opens one alert for other airports, updates it and resolves it', async () => {
    const served = await traffic.serve(world.reference);
    const events = tess.collect(FollowAlertsDocument, { modelId: served.modelId, after: 0 }, (items) =>
      items.some(({ change }) => change === 'RESOLVED'),
    );
    for (let quiet = 0; quiet < 3; quiet++) {
      await traffic.log(served, usual(500));
      const { window, alerts } = await look(served);
      expect(alerts, JSON.stringify(alerts)).toEqual([]);
      expect(window!.drift).toMatchObject({ rows: 500, drifted: false });
    }
    await traffic.log(served, world.elsewhere.slice(0, 500));
    const opened = await look(served);
    expect(kinds(opened)).toEqual(['DRIFT OPEN']);
    const { drift } = opened.window!;
    expect(drift!.features.find(({ feature }) => feature === 'origin')).toMatchObject({
      kind: 'CATEGORICAL',
      drifted: true,
    });
    await traffic.log(served, world.elsewhere.slice(500, 1_000));
    const updated = await look(served);
    expect(updated.alerts.map(({ id }) => id)).toEqual([opened.alerts[0]!.id]);
    await traffic.log(served, usual(500));
    expect(kinds(await look(served))).toEqual(['DRIFT OPEN']);
    await traffic.log(served, usual(500));
    expect(kinds(await look(served))).toEqual(['DRIFT RESOLVED']);
    expect((await events).map(({ change }) => change)).toEqual(['OPENED', 'UPDATED', 'RESOLVED']);

    const found = await tess.ok(EventsDetailsDocument, {
      filter: { modelId: served.modelId, types: ['MODEL_DRIFT_DETECTED'] },
    });
    expect(found.events.nodes).toHaveLength(1);
    const { monitoringWindows } = await tess.ok(MonitoringWindowsDetailsDocument, {
      deploymentId: served.deploymentId,
      first: 3,
    });
    expect(monitoringWindows).toMatchObject({ totalCount: 7, pageInfo: { hasNextPage: true } });
    const origin = drift!.features.find(({ feature }) => feature === 'origin')!;
    console.log(
      `other airports: PSI of origin ${origin.psi.toFixed(2)}, predictions ` +
        `${drift!.prediction.sigmas.toFixed(1)} σ; 5 windows of the same distribution raised 0 alerts`,
    );
  });

  it('waits until there are enough rows, and analyses each row once', async () => {
    const served = await traffic.serve(world.reference);
    await traffic.log(served, usual(150));
    const waiting = await look(served);
    expect(waiting.window).toBeNull();
    expect(waiting.reason).toContain('150 new logged rows of the 200');
    await traffic.log(served, usual(60));
    expect((await look(served)).window!.drift!.rows).toBe(210);
    expect((await look(served)).reason).toContain('0 new logged rows');
  });

  it('compares the newest rows when very many have come', async () => {
    const served = await traffic.serve(world.reference);
    await traffic.log(served, usual(5_400));
    expect((await look(served)).window!.drift!.rows).toBe(5_000);
    expect((await look(served)).window).toBeNull();
  });

  it('gives no result without a reference profile', async () => {
    const served = await traffic.serve(null);
    await traffic.log(served, world.elsewhere.slice(0, 300));
    expect((await look(served)).reason).toContain('no reference profile');
  });
});

describe('old monitoring data', () => {
  it('is deleted: the log after 30 days, windows after 90', async () => {
    const served = await traffic.serve(world.reference);
    await traffic.log(served, usual(400));
    await look(served);
    const ages = async (table: string) =>
      (
        await traffic.query<{ n: number }>(`select count(*)::int as n from ${table} where deployment_id = $1`, [
          served.deploymentId,
        ])
      )[0]!.n;
    await traffic.query(
      `update prediction_log set created_at = now() - interval '31 days' where id in (select id from ` +
        'prediction_log where deployment_id = $1 limit 15)',
      [served.deploymentId],
    );
    await traffic.query(
      `update monitoring_window set created_at = now() - interval '89 days' where deployment_id = $1`,
      [served.deploymentId],
    );
    const { monitoring } = service.app.context.services;
    await monitoring.prune();
    expect([await ages('prediction_log'), await ages('monitoring_window')]).toEqual([25, 1]);
    await traffic.query(
      `update monitoring_window set created_at = now() - interval '91 days' where deployment_id = $1`,
      [served.deploymentId],
    );
    await monitoring.prune();
    expect(await ages('monitoring_window')).toBe(0);
  });
});

describe('latency and errors', () => {
  it('open alerts from their least number of requests on, independently', async () => {
    const served = await traffic.serve(null, { slaMs: 50 });
    await traffic.count(served, { requests: 49, errors: 49, latencyMs: 400 });
    expect((await look(served)).reason).toContain('49 new requests of the 50');
    await traffic.count(served, { requests: 11, errors: 0, latencyMs: 400 });
    const breached = await look(served);
    expect(kinds(breached)).toEqual(['LATENCY OPEN', 'ERROR_RATE OPEN']);
    expect(breached.window!.traffic).toMatchObject({ requests: 60, errors: 49 });
    expect(breached.window!.traffic!.latencyP95Ms / 400).toBeCloseTo(1, 0);
    // No longer slow, but still failing.
    await traffic.count(served, { requests: 100, errors: 10, latencyMs: 5 });
    await look(served);
    await traffic.count(served, { requests: 100, errors: 10, latencyMs: 5 });
    expect(kinds(await look(served))).toEqual(['LATENCY RESOLVED', 'ERROR_RATE OPEN']);
    // Two failures in a hundred may be chance.
    await traffic.count(served, { requests: 100, errors: 2 });
    await look(served);
    await traffic.count(served, { requests: 100, errors: 2 });
    expect(kinds(await look(served))).toEqual(['ERROR_RATE RESOLVED']);
  });

  it('count each request in one window, including minutes that still grow', async () => {
    const served = await traffic.serve(null);
    let counted = 0;
    for (const requests of [70, 80, 90]) {
      await traffic.count(served, { requests });
      counted += (await look(served)).window!.traffic!.requests;
    }
    expect(counted).toBe(240);
    expect((await look(served)).window).toBeNull();
  });
});

describe('alerts', () => {
  it('are opened once by two processes that monitor at the same time', async () => {
    const other = await startTestService({ MONITORING_INTERVAL_MS: '3600000' }, service.database);
    try {
      const services = [service.app.context.services, other.app.context.services];
      const rounds = 10;
      const deployments: ServedModel[] = [];
      for (let round = 0; round < rounds; round++) {
        const served = await traffic.serve(null, { slaMs: 1 });
        await traffic.count(served, { requests: 100, errors: 100, latencyMs: 90 });
        deployments.push(served);
      }
      await Promise.all([...services, ...services].map(({ monitoring }) => monitoring.tick()));
      const alerts = await traffic.query<{ n: number }>(
        `select count(*)::int as n from alert where deployment_id = any($1) group by deployment_id, kind`,
        [deployments.map(({ deploymentId }) => deploymentId)],
      );
      const [windows] = await traffic.query<{ n: number }>(
        `select count(*)::int as n from monitoring_window where deployment_id = any($1)`,
        [deployments.map(({ deploymentId }) => deploymentId)],
      );
      console.log(
        `4 looks at once from 2 processes over ${rounds} deployments: ${windows!.n} windows, ` +
          `${alerts.length} alerts, none twice`,
      );
      expect(alerts.map(({ n }) => n)).toEqual(new Array(2 * rounds).fill(1));
      expect(windows!.n).toBe(rounds);
    } finally {
      await other.close();
    }
  });

  it('are resolved by hand with a reason, once, and open again when the problem continues', async () => {
    const served = await traffic.serve(null, { slaMs: 1 });
    const breach = () => traffic.count(served, { requests: 60, latencyMs: 90 });
    await breach();
    const [alert] = (await look(served)).alerts;
    expect(
      (await tess.fails(ResolveAlertDetailsDocument, { input: { alertId: alert!.id, reason: ' ' } })).extensions,
    ).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.reason',
    });
    const viewer = await service.as({ role: Role.VIEWER });
    expect(
      (await viewer.fails(ResolveAlertDetailsDocument, { input: { alertId: alert!.id, reason: 'known' } })).extensions
        .code,
    ).toBe('FORBIDDEN');
    const done = await tess.ok(ResolveAlertDetailsDocument, { input: { alertId: alert!.id, reason: 'known' } });
    expect(done.resolveAlert.alert).toMatchObject({
      status: 'RESOLVED',
      details: { resolution: { by: 'tess', reason: 'known' } },
    });
    expect(
      (await tess.fails(ResolveAlertDetailsDocument, { input: { alertId: alert!.id, reason: 'again' } })).extensions
        .code,
    ).toBe('CONFLICT');
    await breach();
    const [next] = (await look(served)).alerts;
    expect(next).toMatchObject({ status: 'OPEN' });
    expect(next!.id).not.toBe(alert!.id);
  });

  it('end with their deployment', async () => {
    const served = await traffic.serve(null, { slaMs: 1 });
    await traffic.count(served, { requests: 60, latencyMs: 90 });
    const [alert] = (await look(served)).alerts;
    await traffic.query(`update deployment set status = 'STOPPED' where id = $1`, [served.deploymentId]);
    expect(
      (await tess.fails(RunMonitoringDetailsDocument, { input: { deploymentId: served.deploymentId } })).extensions,
    ).toMatchObject({
      code: 'CONFLICT',
      got: 'LIVE, STOPPED',
    });
    await service.app.context.services.monitoring.tick();
    const after = await tess.ok(AlertDetailsDocument, {
      id: alert!.id,
    });
    expect(after.alert).toMatchObject({ status: 'RESOLVED', details: { resolution: { by: 'monitoring' } } });
  });

  it('are listed by state, kind and subject, and not to other tenants', async () => {
    const served = await traffic.serve(null, { slaMs: 1 });
    await traffic.count(served, { requests: 60, errors: 60, latencyMs: 90 });
    await look(served);
    const count = async (filter: object) =>
      (await tess.ok(AlertsDetailsDocument, { filter, orderBy: { field: 'UPDATED_AT', direction: 'ASC' } })).alerts
        .totalCount;
    expect(await count({ modelId: served.modelId })).toBe(2);
    expect(await count({ endpointId: served.endpointId, kind: 'LATENCY' })).toBe(1);
    expect(await count({ deploymentId: served.deploymentId, status: 'RESOLVED' })).toBe(0);
    const stranger = await service.as({ tenant: 'other' });
    expect(
      (
        await stranger.fails(AlertsDetailsDocument, {
          filter: { modelId: served.modelId },
          orderBy: { field: 'UPDATED_AT', direction: 'ASC' },
        })
      ).extensions.code,
    ).toBe('NOT_FOUND');
    expect(
      (await stranger.fails(RunMonitoringDetailsDocument, { input: { deploymentId: served.deploymentId } })).extensions
        .code,
    ).toBe('NOT_FOUND');
    expect(
      (await stranger.ok(AlertsDetailsDocument, { orderBy: { field: 'UPDATED_AT', direction: 'ASC' } })).alerts
        .totalCount,
    ).toBe(0);
  });
});

describe('the audit log', () => {
  it('shows who started monitoring, only to ADMIN', async () => {
    const served = await traffic.serve(null);
    await look(served);
    const filter = {
      subjectId: served.deploymentId,
      action: 'runMonitoring',
      actor: 'tess',
      subjectType: 'deployment',
    };
    expect((await tess.fails(AuditLogDocument, { filter })).extensions.code).toBe('FORBIDDEN');
    const admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
    const { auditLog } = await admin.ok(AuditLogDocument, { filter });
    expect(auditLog).toMatchObject({
      totalCount: 1,
      nodes: [{ actor: 'tess', role: 'ENGINEER', action: 'runMonitoring', subjectId: served.deploymentId }],
    });
    const range = { from: '2020-01-01T00:00:00.000Z', to: '2020-01-02T00:00:00.000Z' };
    expect((await admin.ok(AuditLogDocument, { filter: range })).auditLog.totalCount).toBe(0);
    expect(
      (await admin.fails(AuditLogDocument, { filter: { from: range.to, to: range.from } })).extensions,
    ).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'filter.to',
    });
    expect((await admin.fails(AuditLogDocument, { filter: { subjectId: served.modelId } })).extensions.code).toBe(
      'NOT_FOUND',
    );
    const foreign = await service.as({ role: Role.ADMIN, tenant: 'other' });
    expect((await foreign.ok(AuditLogDocument)).auditLog.totalCount).toBe(0);
  });
});
