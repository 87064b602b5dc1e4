import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { linear, placesBelow4 } from '../fixtures/models/build.js';
import { Receiver } from '../support/receiver.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, makeVersion, predict, serve, untilReady, xToY } from '../support/serving.js';
import { CreateWebhookDocument } from '../../schema/generated/operations.js';
import {
  AbortCanaryDetailsDocument,
  ApproveCanaryDetailsDocument,
  CanariesDetailsDocument,
  CanaryDetailsDocument,
  type CanaryDetailsQuery,
  CanaryProgressDetailsDocument,
  DeleteEndpointDetailsDocument,
  PauseCanaryDetailsDocument,
  PromoteCanaryDetailsDocument,
  ResumeCanaryDetailsDocument,
  SetTrafficWeightsDetailsDocument,
  StartCanaryDetailsDocument,
  type StartCanaryInput,
  UndeployDetailsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await Receiver.start();
  service = await startTestService({
    INFERENCE_HOSTS: '2',
    WEBHOOK_ALLOW_HTTP: 'true',
    WEBHOOK_ALLOWED_HOSTS: '127.0.0.1',
  });
  tess = await service.as();
});
afterAll(async () => {
  await service?.close();
  await receiver?.close();
});

type Canary = CanaryDetailsQuery['canary'];
const times = (weight: number) => ({ bytes: linear([weight], 0), signature: xToY(1) });
const failing = { bytes: placesBelow4(), signature: xToY(1) };
const GUARDS: StartCanaryInput['guards'] = [{ kind: 'ERROR_RATE', maxIncrease: 0.1 }];
const oneStep = (weightBps: number, bakeSeconds: number): StartCanaryInput['steps'] => [{ weightBps, bakeSeconds }];

async function start(
  candidate: Parameters<typeof makeVersion>[1],
  input: Partial<StartCanaryInput> = {},
): Promise<{ id: string; endpointId: string; stable: string; modelId: string; first: string; second: string }> {
  const served = await serve(service, tess, times(1));
  const { endpointId, modelId, deploymentId: stable, versionId: first } = served;
  const { versionId: second } = await makeVersion(service, { ...candidate, modelId });
  const { startCanary } = await tess.ok(StartCanaryDetailsDocument, {
    input: {
      ...{ endpointId, modelVersionId: second, steps: oneStep(2_500, 2), guards: GUARDS, minRequests: 50 },
      ...input,
    },
  });
  return { id: startCanary.canary.id, endpointId, stable, modelId, first, second };
}

async function get(id: string): Promise<Canary> {
  return (await tess.ok(CanaryDetailsDocument, { id })).canary;
}

async function reached(id: string, status: Canary['status'], timeout = 20_000): Promise<void> {
  await expect.poll(async () => (await get(id)).status, { timeout, interval: 50 }).toBe(status);
}

/** Requests by different users, a third of them with a value that a failing model cannot take. */
async function ask(endpointId: string, count: number): Promise<{ failed: number; users: Map<string, string> }> {
  const { predictions } = service.app.context.services;
  const principal = { subject: 'tess', tenant: 'acme', role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) };
  const users = new Map<string, string>();
  let failed = 0;
  for (let i = 0; i < count; i += 20) {
    const group = Array.from({ length: 20 }, (_, j) => i + j);
    await Promise.all(
      group.map(async (n) => {
        const input = { endpointId, rows: [{ x: n % 3 === 0 ? 2_000 : 1 }], routingKey: `user-${n}` };
        try {
          users.set(`user-${n}`, (await predictions.predict(principal, input, `r-${n}`)).target.id);
        } catch {
          failed++;
        }
      }),
    );
  }
  await service.app.context.services.traffic.flush();
  return { failed, users };
}

describe('a canary', () => {
  it('that errs is rolled back by itself within seconds, and no request fails after that', async () => {
    const { id, endpointId, stable } = await start(failing, { steps: oneStep(3_000, 3_600) });
    await reached(id, 'RUNNING');
    const { failed } = await ask(endpointId, 1_000);
    const provenAt = performance.now();
    expect(failed).toBeGreaterThan(40);
    await reached(id, 'ROLLED_BACK', 10_000);
    const tookMs = performance.now() - provenAt;
    console.log(`rolled back ${tookMs.toFixed(0)} ms after the last of ${failed} failed requests of 1,000`);
    expect(tookMs).toBeLessThan(8_000);
    expect((await ask(endpointId, 200)).failed).toBe(0);
    const canary = await get(id);
    expect(canary.judgement[0]).toMatchObject({ kind: 'ERROR_RATE', verdict: 'FAIL' });
    expect(canary.reason).toBe(canary.judgement[0]!.reason);
    expect(canary.canaryDeployment).toMatchObject({ status: 'STOPPED', weightBps: 0 });
    expect(canary.controlDeployment).toMatchObject({ status: 'STOPPED', weightBps: 0 });
    expect(canary.stableDeployment).toEqual({ id: stable, status: 'READY', weightBps: 10_000 });
    expect(canary.endpoint.trafficHeldBy).toBeNull();
    // As many requests as the canary, at the same time, and none of them failed.
    const { requests, errors } = canary.controlDeployment!.traffic;
    expect(errors).toBe(0);
    expect(requests / canary.canaryDeployment!.traffic.requests).toBeCloseTo(1, 0);
  });

  it('that is good goes through its steps, keeps its users, and is promoted; followers see it live', async () => {
    const { id, endpointId, second } = await start(times(2), {
      steps: [
        { weightBps: 2_000, bakeSeconds: 2 },
        { weightBps: 5_000, bakeSeconds: 2 },
      ],
    });
    const live = tess.collect(CanaryProgressDetailsDocument, { id }, () => false, 60_000);
    await reached(id, 'RUNNING');
    const held = await get(id);
    expect(held.endpoint.trafficHeldBy).toBe(`canary ${id}`);
    const canaryId = held.canaryDeployment!.id;
    const of = ({ users }: { users: Map<string, string> }) =>
      [...users].filter(([, deployment]) => deployment === canaryId).map(([user]) => user);
    const early = of(await ask(endpointId, 600));
    expect(early.length).toBeGreaterThan(80);
    await expect.poll(async () => (await get(id)).step, { timeout: 15_000 }).toBe(1);
    const later = new Set(of(await ask(endpointId, 600)));
    expect(early.every((user) => later.has(user))).toBe(true);
    await reached(id, 'PROMOTED');
    const canary = await get(id);
    expect(canary.canaryDeployment).toMatchObject({ status: 'READY', weightBps: 10_000 });
    expect(canary.stableDeployment).toMatchObject({ status: 'STOPPED' });
    expect((await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id).toBe(second);
    const seen = (await live).map((state) => `${state.status} ${state.canaryDeployment?.weightBps}`);
    expect(new Set(seen)).toEqual(new Set(['LOADING 0', 'RUNNING 2000', 'RUNNING 5000', 'PROMOTED 10000']));
    expect((await live).some(({ judgement }) => (judgement[0]?.canary.high ?? 1) < 0.2)).toBe(true);
  });

  it('without traffic is inconclusive and pauses; it resumes, is paused and aborted by people', async () => {
    const { id, endpointId, stable } = await start(times(2), { steps: oneStep(2_500, 1) });
    await reached(id, 'PAUSED');
    expect((await get(id)).reason).toBe('The time of the step is over. 0 of at least 50 requests per variant.');
    const { resumeCanary } = await tess.ok(ResumeCanaryDetailsDocument, { id });
    expect(resumeCanary.canary).toMatchObject({ status: 'RUNNING', reason: 'Resumed by tess.' });
    await tess.ok(PauseCanaryDetailsDocument, { id });
    await ask(endpointId, 800);
    const again = await tess.fails(PauseCanaryDetailsDocument, { id });
    expect(again.extensions.code).toBe('CONFLICT');
    const { abortCanary } = await tess.ok(AbortCanaryDetailsDocument, { id });
    expect(abortCanary.canary).toMatchObject({
      status: 'ABORTED',
      stableDeployment: { id: stable, weightBps: 10_000 },
    });
    for (const document of [AbortCanaryDetailsDocument, PromoteCanaryDetailsDocument, ResumeCanaryDetailsDocument])
      expect((await tess.fails(document, { id })).extensions.code).toBe('CONFLICT');
  });

  it('waits for approval by a person, and by a webhook that refuses at first', async () => {
    const { id, endpointId } = await start(times(2), {
      steps: [{ weightBps: 4_000, bakeSeconds: 1, approval: 'PERSON' }],
    });
    await reached(id, 'RUNNING');
    await ask(endpointId, 400);
    await reached(id, 'WAITING_FOR_APPROVAL');
    const { approveCanary } = await tess.ok(ApproveCanaryDetailsDocument, { id });
    expect(approveCanary.canary).toEqual({ status: 'PROMOTED', reason: 'Step 1 of 1 was approved by tess.' });

    const admin = await service.as({ role: Role.ADMIN });
    const { createWebhook } = await admin.ok(CreateWebhookDocument, {
      input: { name: 'gate', url: receiver.url('/gate'), eventTypes: ['CANARY_STARTED'] },
    });
    // A webhook that does not answer delays no other canary.
    receiver.answer = (path) => (path === '/gate' ? () => undefined : 204);
    const hanging = await start(times(2), {
      steps: [{ weightBps: 4_000, bakeSeconds: 1, approval: 'WEBHOOK' }],
      approvalWebhookId: createWebhook.webhook.id,
    });
    await reached(hanging.id, 'RUNNING');
    await ask(hanging.endpointId, 400);
    await receiver.wait('/gate', 1);
    const failed = await start(failing, { steps: oneStep(4_000, 3_600) });
    await reached(failed.id, 'RUNNING', 5_000);
    await ask(failed.endpointId, 400);
    await reached(failed.id, 'ROLLED_BACK', 5_000);
    expect((await get(hanging.id)).reason).not.toContain('webhook:');
    await tess.ok(AbortCanaryDetailsDocument, { id: hanging.id });

    receiver.received.length = 0;
    receiver.answer = (path) => (path === '/gate' ? 503 : 204);
    const gated = await start(times(2), {
      steps: [{ weightBps: 4_000, bakeSeconds: 1, approval: 'WEBHOOK' }],
      approvalWebhookId: createWebhook.webhook.id,
    });
    await reached(gated.id, 'RUNNING');
    await ask(gated.endpointId, 400);
    await expect.poll(async () => (await get(gated.id)).reason, { timeout: 15_000 }).toContain('503');
    expect((await get(gated.id)).status).toBe('WAITING_FOR_APPROVAL');
    receiver.answer = () => 204;
    await reached(gated.id, 'PROMOTED', 25_000);
    const asked = receiver.at('/gate').filter(({ body }) => body.includes('CANARY_APPROVAL'));
    expect(asked.length).toBeGreaterThan(1);
    expect(JSON.parse(asked[0]!.body)).toMatchObject({ canary: { id: gated.id, judgement: [{ verdict: 'PASS' }] } });
  });

  it('of a version that cannot be loaded leaves the old one serving', async () => {
    const { id, endpointId, first } = await start({ bytes: new Uint8Array([1, 2, 3]), signature: xToY(1) });
    await reached(id, 'LOAD_FAILED');
    const { reason, canaryDeployment, controlDeployment } = await get(id);
    expect(reason).toMatch(/^The version could not be loaded: /);
    expect([canaryDeployment?.status, controlDeployment?.status]).toEqual(['FAILED', 'STOPPED']);
    expect((await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id).toBe(first);
  });

  it('back to the version that it replaced a short time ago skips the steps', async () => {
    const { id, endpointId, first, second } = await start(times(2), { steps: oneStep(2_500, 3_600) });
    await reached(id, 'RUNNING');
    await tess.ok(PromoteCanaryDetailsDocument, { id });
    const { startCanary } = await tess.ok(StartCanaryDetailsDocument, {
      input: { endpointId, modelVersionId: first, steps: oneStep(2_500, 3_600), guards: GUARDS },
    });
    expect(startCanary.canary.skipsSteps).toBe(true);
    await reached(startCanary.canary.id, 'PROMOTED');
    expect((await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id).toBe(first);
    // The version that was left has no right to skip its steps.
    const forth = await tess.ok(StartCanaryDetailsDocument, {
      input: { endpointId, modelVersionId: second, steps: oneStep(2_500, 3_600), guards: GUARDS },
    });
    expect(forth.startCanary.canary.skipsSteps).toBe(false);
    await reached(forth.startCanary.canary.id, 'RUNNING');
    await tess.ok(AbortCanaryDetailsDocument, { id: forth.startCanary.canary.id });
  });

  it('pauses when its counters cannot be read, which says nothing about the version', async () => {
    const { id, endpointId } = await start(times(2), { steps: oneStep(2_500, 3_600), sourceErrorLimit: 2 });
    await reached(id, 'RUNNING');
    const db = new pg.Client({ connectionString: service.database.url });
    await db.connect();
    try {
      await db.query('revoke select on deployment_minute from matih_app');
      const paused = async () =>
        (await tess.ok(CanariesDetailsDocument, { filter: { endpointId, status: ['PAUSED'] } })).canaries.totalCount;
      await expect.poll(paused, { timeout: 20_000, interval: 50 }).toBe(1);
    } finally {
      await db.query('grant select on deployment_minute to matih_app');
      await db.end();
    }
    expect((await get(id)).reason).toContain('The counters could not be read 2 times in a row');
    expect((await ask(endpointId, 20)).failed).toBe(0);
    await tess.ok(AbortCanaryDetailsDocument, { id });
  });

  it('ends after failureLimit looks with FAIL in a row, also while it is paused', async () => {
    const { id, endpointId, first } = await start(failing, {
      ...{ steps: oneStep(3_000, 3_600), failureLimit: 4, sourceErrorLimit: 1 },
    });
    await reached(id, 'RUNNING');
    await tess.ok(PauseCanaryDetailsDocument, { id });
    const askedAt = performance.now();
    expect((await ask(endpointId, 1_000)).failed).toBeGreaterThan(40);
    await reached(id, 'ROLLED_BACK', 20_000);
    // Four looks, about a second from one to the next.
    expect(performance.now() - askedAt).toBeGreaterThan(2_000);
    expect((await predict(tess, { endpointId, rows: [{ x: 2_000 }] })).modelVersion.id).toBe(first);
  });

  it('lets viewers call its endpoint as before, and holds the traffic alone', async () => {
    const stable = await serve(service, tess, { ...times(1), stage: 'PRODUCTION' });
    const { endpointId, modelId, deploymentId } = stable;
    const { versionId: modelVersionId } = await makeVersion(service, { ...times(2), modelId });
    const { startCanary } = await tess.ok(StartCanaryDetailsDocument, {
      input: { endpointId, modelVersionId, steps: oneStep(5_000, 3_600), guards: GUARDS },
    });
    const { id } = startCanary.canary;
    await reached(id, 'RUNNING');
    const viewer = await service.as({ role: Role.VIEWER });
    for (let n = 0; n < 10; n++) await predict(viewer, { endpointId, rows: [{ x: 1 }], routingKey: `k${n}` });
    const weights = [{ deploymentId, weightBps: 10_000 }];
    const set = await tess.fails(SetTrafficWeightsDetailsDocument, { input: { endpointId, weights } });
    expect(set).toMatchObject({ extensions: { code: 'CONFLICT', got: `canary ${id}` } });
    const stop = await tess.fails(UndeployDetailsDocument, { input: { deploymentId } });
    expect(stop.extensions.code).toBe('CONFLICT');
    const gone = await tess.fails(DeleteEndpointDetailsDocument, { input: { id: endpointId } });
    expect(gone.extensions).toMatchObject({ code: 'CONFLICT', got: `canary ${id}` });
    await tess.ok(AbortCanaryDetailsDocument, { id });
    await tess.ok(SetTrafficWeightsDetailsDocument, { input: { endpointId, weights } });
    const found = await tess.ok(CanariesDetailsDocument, { filter: { endpointId, status: ['ABORTED'] } });
    expect(found.canaries).toMatchObject({ totalCount: 1, nodes: [{ id }] });
    // The version in DEVELOPMENT stays open to viewers when it has replaced the one in PRODUCTION.
    const again = await tess.ok(StartCanaryDetailsDocument, {
      input: { endpointId, modelVersionId, steps: oneStep(5_000, 3_600), guards: GUARDS },
    });
    await reached(again.startCanary.canary.id, 'RUNNING');
    await tess.ok(PromoteCanaryDetailsDocument, { id: again.startCanary.canary.id });
    const answer = await predict(viewer, { endpointId, rows: [{ x: 1 }] });
    expect([answer.modelVersion.id, answer.outputs[0]!.data]).toEqual([modelVersionId, [2]]);
  });

  it('gives no weight to a deployment that becomes ready while something holds the traffic', async () => {
    const { endpointId, modelId, deploymentId } = await serve(service, tess, times(1));
    const { versionId: modelVersionId } = await makeVersion(service, { ...times(2), modelId });
    const { db, services } = service.app.context;
    const principal = {
      subject: 'tess',
      tenant: 'acme',
      role: Role.ENGINEER,
      expiresAt: new Date(Date.now() + 60_000),
    };
    const late = await db.transact({ principal, requestId: 'held' }, async (session) => {
      const input = { endpointId, modelVersionId, mode: 'LIVE' as const, weightBps: 5_000 };
      const { id } = await services.deployments.deploy(session, input);
      await services.deployments.holdTraffic(session, endpointId, 'somebody 1');
      return id;
    });
    await untilReady(tess, late);
    const weights = await db.transact({ principal, requestId: 'held' }, async (session) => {
      const live = await services.deployments.liveOf(session, endpointId);
      return Object.fromEntries(live.map(({ id, weightBps }) => [id, weightBps]));
    });
    expect(weights).toEqual({ [deploymentId]: 10_000, [late]: 0 });
  });

  it('answers each wrong start with one clear error, and changes nothing', async () => {
    const { endpointId, modelId, versionId } = await serve(service, tess, times(1));
    const second = await makeVersion(service, { ...times(2), modelId });
    const good = { endpointId, modelVersionId: second.versionId, steps: oneStep(1_000, 60), guards: GUARDS };
    const refused = async (input: Partial<StartCanaryInput>) => {
      const { extensions } = await tess.fails(StartCanaryDetailsDocument, { input: { ...good, ...input } });
      return `${extensions.code} ${extensions.field}`;
    };
    const alien = await makeVersion(service, times(2));
    const wider = await makeVersion(service, { bytes: linear([1, 2], 0), signature: xToY(2), modelId });
    const empty = await createEndpoint(tess, { modelId });
    const step = (weightBps: number) => ({ weightBps, bakeSeconds: 60 });
    expect(await refused({ guards: [] })).toBe('BAD_USER_INPUT input.guards');
    expect(await refused({ guards: [GUARDS[0]!, GUARDS[0]!] })).toBe('BAD_USER_INPUT input.guards[1].kind');
    const guard = (kind: 'ERROR_RATE' | 'LATENCY_P95' | 'WRONG_ANSWERS', maxIncrease: number) => ({
      kind,
      maxIncrease,
    });
    for (const [kind, tooSmall] of [['ERROR_RATE', 0] as const, ['LATENCY_P95', 0.18] as const])
      expect(await refused({ guards: [guard('WRONG_ANSWERS', 0.1), guard(kind, tooSmall)] })).toBe(
        'BAD_USER_INPUT input.guards[1].maxIncrease',
      );
    expect(await refused({ steps: [] })).toBe('BAD_USER_INPUT input.steps');
    expect(await refused({ steps: [step(500), step(500)] })).toBe('BAD_USER_INPUT input.steps[1].weightBps');
    expect(await refused({ steps: [step(10_001)] })).toBe('BAD_USER_INPUT input.steps[0].weightBps');
    expect(await refused({ steps: [{ ...step(500), approval: 'WEBHOOK' }] })).toBe(
      'BAD_USER_INPUT input.approvalWebhookId',
    );
    expect(await refused({ modelVersionId: alien.versionId })).toBe('BAD_USER_INPUT input.modelVersionId');
    expect(await refused({ modelVersionId: wider.versionId })).toBe('BAD_USER_INPUT input.modelVersionId');
    expect(await refused({ modelVersionId: versionId })).toBe('CONFLICT input.modelVersionId');
    expect(await refused({ endpointId: empty.id })).toBe('CONFLICT input.endpointId');
    const { startCanary } = await tess.ok(StartCanaryDetailsDocument, { input: good });
    expect(await refused({ modelVersionId: wider.versionId })).toBe('CONFLICT undefined');
    await tess.ok(AbortCanaryDetailsDocument, { id: startCanary.canary.id });
  });

  it('takes the place of a shadow of the same version', async () => {
    const { endpointId, modelId } = await serve(service, tess, times(1));
    const { versionId: modelVersionId } = await makeVersion(service, { ...times(2), modelId });
    await deploy(tess, { endpointId, modelVersionId, mode: 'SHADOW' });
    const { startCanary } = await tess.ok(StartCanaryDetailsDocument, {
      input: { endpointId, modelVersionId, steps: oneStep(1_000, 60), guards: GUARDS },
    });
    await reached(startCanary.canary.id, 'RUNNING');
    await tess.ok(AbortCanaryDetailsDocument, { id: startCanary.canary.id });
  });
});
