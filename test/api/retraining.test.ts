import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { registerDataset, trainingEnd, vegaPath } from '../support/training.js';
import { World } from '../support/world.js';
import {
  AlertsDetailsDocument,
  DeleteRetrainingPolicyDetailsDocument,
  EventsDetailsDocument,
  ModelRetrainingPolicyDocument,
  ResolveAlertDetailsDocument,
  SetRetrainingPolicyDetailsDocument,
  ModelVersionsVersionStageStatusDocument,
} from '../generated/operations.js';

let service: TestService;
let traffic: TrafficWriter;
let world: World;
let freshDatasetId: string;

beforeAll(async () => {
  service = await startTestService({ MONITORING_INTERVAL_MS: '3600000' });
  traffic = await TrafficWriter.connect(service.database.url);
  world = await World.create(service, traffic, 'acme');
  await resolve(world.things.alertId);
  freshDatasetId = await registerDataset(world.caller, { name: 'cars', path: vegaPath('cars.json') });
});
afterAll(async () => {
  await world?.close();
  await traffic?.end();
  await service?.close();
});

interface RetrainingEvent {
  type: string;
  payload: { alertId: string; reason: string; jobId?: string; datasetVersion?: number };
}

async function setPolicy(settings: object): Promise<void> {
  await world.caller.ok(SetRetrainingPolicyDetailsDocument, {
    input: { modelId: world.things.modelId, datasetName: 'cars', alertKinds: ['LATENCY'], ...settings },
  });
}

async function resolve(alertId: string): Promise<void> {
  await world.caller.ok(ResolveAlertDetailsDocument, { input: { alertId, reason: 'next' } });
}

const tick = () => service.app.context.services.retraining.tick();

async function eventsOf(alertId: string): Promise<RetrainingEvent[]> {
  const { events } = await world.caller.ok(EventsDetailsDocument, {
    filter: { subjectId: alertId, types: ['RETRAINING_STARTED', 'RETRAINING_SKIPPED'] },
  });
  return events.nodes.map((event) => ({ ...event, payload: event.payload as RetrainingEvent['payload'] })).toReversed();
}

async function jobsOf(alertId: string): Promise<{ id: string; dataset_id: string; config: object }[]> {
  return traffic.query('select id, dataset_id, config from job where alert_id = $1', [alertId]);
}

it('an alert starts one training on the newest data, however many processes check it, and the version must pass its gates', async () => {
  const other = await startTestService({ MONITORING_INTERVAL_MS: '3600000', ROLE: 'api' }, service.database);
  const { deploymentId, modelId, jobId } = world.things;
  const newest = async () =>
    (await world.caller.ok(ModelVersionsVersionStageStatusDocument, { first: 1, filter: { modelId } })).modelVersions
      .nodes[0];
  const version = (await newest())!.version + 1;
  await setPolicy({ cooldownMs: 3_600_000, budgetPer30Days: 1 });
  const alertId = await world.newAlert(deploymentId);
  const services = [service.app.context.services, other.app.context.services];
  await Promise.all([...services, ...services, ...services].map(({ retraining }) => retraining.tick()));
  await tick();
  const jobs = await jobsOf(alertId);
  expect(jobs).toHaveLength(1);
  expect(jobs[0]!.dataset_id).toBe(freshDatasetId);
  const [original] = await traffic.query<{ config: { training: object } }>('select config from job where id = $1', [
    jobId,
  ]);
  expect(jobs[0]!.config).toEqual({ ...original!.config, registerModelId: modelId });
  const [started, ...more] = await eventsOf(alertId);
  expect(more).toEqual([]);
  expect(started).toMatchObject({
    type: 'RETRAINING_STARTED',
    payload: { alertId, jobId: jobs[0]!.id, datasetVersion: 2 },
  });
  await trainingEnd(world.caller, jobs[0]!.id);
  await expect.poll(newest, { timeout: 20_000 }).toEqual({ version, stage: 'DEVELOPMENT', status: 'READY' });
  await other.close();
  console.log(
    `retraining: 7 looks from 2 processes at one alert started 1 training; version ${version} awaits its gates`,
  );
  await resolve(alertId);
});

it('the cool-down, the budget and the switch prevent it, each reported once', async () => {
  const alertId = await world.newAlert(world.things.deploymentId);
  await tick();
  await tick();
  await setPolicy({ cooldownMs: 0, budgetPer30Days: 1 });
  await tick();
  await tick();
  await setPolicy({ enabled: false });
  await tick();
  await setPolicy({ alertKinds: ['DRIFT'], cooldownMs: 0, budgetPer30Days: 9 });
  await tick();
  const told = await eventsOf(alertId);
  expect(told.map(({ type }) => type)).toEqual(new Array(4).fill('RETRAINING_SKIPPED'));
  expect(told.map(({ payload }) => payload.reason).join(' | ')).toMatch(
    /cool-down until .* \| .*budget of 1 .* \| .*switched off.* \| .*only on DRIFT/,
  );
  expect(await jobsOf(alertId)).toEqual([]);
  // After the cool-down, the same alert, still open, starts its training.
  await setPolicy({ cooldownMs: 0, budgetPer30Days: 9 });
  await tick();
  expect((await eventsOf(alertId)).at(-1)!.type).toBe('RETRAINING_STARTED');
  await world.close();
  await resolve(alertId);
});

it('a dataset without the columns starts nothing and the event names the missing one', async () => {
  await registerDataset(world.caller, { name: 'other', uploadId: await world.newUpload() });
  await setPolicy({ datasetName: 'other', cooldownMs: 0, budgetPer30Days: 9 });
  const alertId = await world.newAlert(world.things.deploymentId);
  await tick();
  await tick();
  const told = await eventsOf(alertId);
  expect(told).toHaveLength(1);
  expect(told[0]!.type).toBe('RETRAINING_SKIPPED');
  expect(told[0]!.payload.reason).toContain('Horsepower');
  expect(await jobsOf(alertId)).toEqual([]);
});

it('a policy is checked, shown with its model, changed and deleted', async () => {
  const { modelId } = world.things;
  const refused = async (settings: object) =>
    (
      await world.caller.fails(SetRetrainingPolicyDetailsDocument, {
        input: { modelId, datasetName: 'cars', ...settings },
      })
    ).extensions;
  expect(await refused({ datasetName: 'nothing' })).toMatchObject({
    code: 'BAD_USER_INPUT',
    field: 'input.datasetName',
  });
  expect(await refused({ alertKinds: [] })).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.alertKinds' });
  expect(await refused({ cooldownMs: -1 })).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.cooldownMs' });
  expect(await refused({ budgetPer30Days: 0 })).toMatchObject({
    code: 'BAD_USER_INPUT',
    field: 'input.budgetPer30Days',
  });
  await world.caller.ok(SetRetrainingPolicyDetailsDocument, { input: { modelId, datasetName: 'cars' } });
  expect(await world.caller.ok(ModelRetrainingPolicyDocument, { modelId })).toEqual({
    model: {
      retrainingPolicy: {
        datasetName: 'cars',
        alertKinds: ['DRIFT'],
        cooldownMs: 86_400_000,
        budgetPer30Days: 4,
        enabled: true,
      },
    },
    retrainingPolicy: { datasetName: 'cars' },
  });
  await world.caller.ok(DeleteRetrainingPolicyDetailsDocument, { input: { modelId } });
  expect(await world.caller.ok(ModelRetrainingPolicyDocument, { modelId })).toEqual({
    model: { retrainingPolicy: null },
    retrainingPolicy: null,
  });
  expect(
    (await world.caller.fails(DeleteRetrainingPolicyDetailsDocument, { input: { modelId } })).extensions.code,
  ).toBe('NOT_FOUND');
});

it('alerts show their subject, in as many statements for many as for one', async () => {
  const count = async (n: number) => {
    service.statements.length = 0;
    const { alerts } = await world.caller.ok(AlertsDetailsDocument, { first: n });
    expect(alerts.nodes).toHaveLength(n);
    return service.statements.filter(
      (sql) =>
        /^select/i.test(sql) && /from "?(alert|model|endpoint|deployment|model_version|retraining_policy)"?/i.test(sql),
    ).length;
  };
  expect(await count(4)).toBe(await count(1));
});
