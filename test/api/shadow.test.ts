import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Evaluation } from '../../src/db/entities/evaluation/evaluation.entity.js';
import { Dataset } from '../../src/db/entities/datasets/dataset.entity.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { evaluateRegression } from '../../src/modules/model-quality/rules/evaluation.js';
import { buildPredictionReference } from '../../src/modules/model-contract/rules/drift.js';
import { hangsAbove1000, linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { deploy, type MadeVersion, makeVersion, predict, serve, x, xToY } from '../support/serving.js';
import {
  DecideShadowDetailsDocument,
  EventsDetailsDocument,
  DeploymentForShadowDocument,
  DecideShadowForShadowDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '1', PREDICT_DEADLINE_MS: '1000' });
  tess = await service.as();
});
afterAll(() => service?.close());

/** Production's values have a standard deviation of about 5.8: values within 2.9 count as equal. */
const reference = {
  features: {},
  prediction: buildPredictionReference(Float64Array.from({ length: 1_000 }, (_, i) => (i % 20) + 0.5)),
};
const production = {
  bytes: linear([1], 0),
  signature: xToY(1),
  task: 'REGRESSION' as const,
  stage: 'PRODUCTION' as const,
  reference,
};

interface Traffic {
  requests: number;
  rows: number;
  errors: number;
  comparedRows: number;
  disagreements: number;
  disagreementRate: number | null;
}

async function traffic(deploymentId: string): Promise<Traffic> {
  await service.app.context.services.traffic.flush();
  const found = await tess.ok(DeploymentForShadowDocument, { id: deploymentId });
  return found.deployment.traffic;
}

async function mirrored(deploymentId: string, requests: number): Promise<void> {
  await expect.poll(async () => (await traffic(deploymentId)).requests, { timeout: 20_000 }).toBe(requests);
}

interface Gate {
  id: string;
  gate: string;
  passed: boolean;
  checks: { name: string; passed: boolean; expected: string; got: string }[];
}

async function decide(deploymentId: string): Promise<Gate> {
  const decided = await tess.ok(DecideShadowForShadowDocument, { input: { deploymentId } });
  return decided.decideShadow.gateResult;
}

const failing = ({ checks }: Gate) => checks.filter(({ passed }) => !passed).map(({ name }) => name);

/**
 * An evaluation of the candidate against production, in which the candidate's errors are `factor` times those of
 * production.
 */
async function evaluate(candidate: MadeVersion, baselineVersionId: string, factor: number): Promise<void> {
  const actor = {
    principal: { subject: 'tess', tenant: 'acme', role: Role.ENGINEER, expiresAt: new Date() },
    requestId: 'test',
  };
  await service.app.context.db.transact(actor, async ({ em, tenant }) => {
    const dataset = em.create(Dataset, {
      tenant,
      name: `d${Math.random()}`,
      version: 1,
      format: 'CSV',
      objectKey: 'none',
      sizeBytes: 1,
      sha256: '0',
      rowCount: 1,
      columns: [],
      source: 'test',
      createdBy: 'tess',
    });
    await em.flush();
    const values = Float64Array.from({ length: 500 }, (_, i) => i % 20);
    const errors = values.map((_, i) => Math.sin(i * 1.7));
    const report = evaluateRegression({
      actual: values,
      predicted: values.map((value, i) => value + errors[i]! * factor),
      trainingMean: 10,
      baseline: { versionId: baselineVersionId, predicted: values.map((value, i) => value + errors[i]!) },
    });
    em.create(Evaluation, {
      tenant,
      modelVersionId: candidate.versionId,
      baselineVersionId,
      datasetId: dataset.id,
      report,
      markdownKey: 'none',
      createdBy: 'tess',
    });
  });
}

describe('a shadow', () => {
  it('gets every answered request; its answers are compared and never returned', async () => {
    const live = await serve(service, tess, production);
    const candidate = await makeVersion(service, {
      ...production,
      stage: 'STAGING',
      bytes: linear([1.5], 0),
      modelId: live.modelId,
    });
    const shadow = await deploy(tess, {
      endpointId: live.endpointId,
      modelVersionId: candidate.versionId,
      mode: 'SHADOW',
    });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        predict(tess, { endpointId: live.endpointId, tensors: [x([i % 20, i % 20])] }),
      ),
    );
    answers.forEach(({ outputs, deployment }, i) => {
      expect(outputs[0]!.data).toEqual([i % 20, i % 20]);
      expect(deployment.id).toBe(live.deploymentId);
    });
    await mirrored(shadow, 40);
    // 1.5·x differs from x by more than 2.9 from x = 6 on: 14 of 20 values.
    expect(await traffic(shadow)).toMatchObject({
      rows: 80,
      errors: 0,
      comparedRows: 80,
      disagreements: 56,
      disagreementRate: 0.7,
    });
    expect(await traffic(live.deploymentId)).toMatchObject({ requests: 40, comparedRows: 0, disagreementRate: null });
    const rows = await service.app.context.db.asSystem((em) =>
      em.execute<{ mode: string; n: number }[]>(
        `select mode, count(*)::int as n from prediction_log where endpoint_id = '${live.endpointId}' group ` +
          'by mode order by mode',
      ),
    );
    expect(rows).toEqual([
      { mode: 'LIVE', n: 40 },
      { mode: 'SHADOW', n: 40 },
    ]);
  });

  it('that hangs neither delays nor fails an answer, and its errors are counted', async () => {
    const live = await serve(service, tess, production);
    const alone = await serve(service, tess, production);
    const candidate = await makeVersion(service, {
      ...production,
      stage: 'STAGING',
      bytes: hangsAbove1000(),
      modelId: live.modelId,
    });
    const shadow = await deploy(tess, {
      endpointId: live.endpointId,
      modelVersionId: candidate.versionId,
      mode: 'SHADOW',
    });
    const time = async (endpointId: string) => {
      const ms: number[] = [];
      for (let i = 0; i < 60; i++) {
        const startedAt = performance.now();
        expect((await predict(tess, { endpointId, tensors: [x([5_000 + i])] })).outputs[0]!.data).toEqual([5_000 + i]);
        ms.push(performance.now() - startedAt);
      }
      return ms.sort((a, b) => a - b)[Math.floor(ms.length / 2)]!;
    };
    const without = await time(alone.endpointId);
    const beside = await time(live.endpointId);
    console.log(
      `median of 60 answers: ${without.toFixed(1)} ms without, ${beside.toFixed(1)} ms with a shadow that hangs`,
    );
    expect(beside).toBeLessThan(without * 5 + 20);
    await mirrored(shadow, 60);
    const { errors, comparedRows } = await traffic(shadow);
    expect({ errors, comparedRows }).toEqual({ errors: 60, comparedRows: 0 });
    expect(await traffic(live.deploymentId)).toMatchObject({ requests: 60, errors: 0 });
    expect(failing(await decide(shadow))).toContain('errors');
  });

  it('is one of any number: one that hangs slows neither the answers under load nor the other shadows', async () => {
    const alone = await serve(service, tess, production);
    const live = await serve(service, tess, production);
    const shadowOf = async (bytes: Uint8Array) => {
      const { modelId, endpointId } = live;
      const { versionId } = await makeVersion(service, { ...production, stage: 'STAGING', bytes, modelId });
      return deploy(tess, { endpointId, modelVersionId: versionId, mode: 'SHADOW' });
    };
    const equal = await shadowOf(linear([1], 0));
    const hanging = await shadowOf(hangsAbove1000());
    const other = await shadowOf(linear([2], 0));
    // 16 callers at a time, so that a shadow that took the place of an answer would be seen.
    const time = async (endpointId: string) => {
      const ms: number[] = [];
      const caller = async (from: number) => {
        for (let i = from; i < 320; i += 16) {
          const startedAt = performance.now();
          const { outputs } = await predict(tess, { endpointId, tensors: [x([5_000 + i])] });
          ms.push(performance.now() - startedAt);
          expect(outputs[0]!.data).toEqual([5_000 + i]);
        }
      };
      await Promise.all(Array.from({ length: 16 }, (_, from) => caller(from)));
      return ms.sort((a, b) => a - b)[Math.floor(ms.length * 0.95)]!;
    };
    const without = await time(alone.endpointId);
    const beside = await time(live.endpointId);
    console.log(`p95 of 320 answers: ${without.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside three shadows`);
    // A copy that hangs holds its host for a second.
    expect(beside).toBeLessThan(without * 5 + 100);
    await Promise.all([equal, hanging, other].map((id) => mirrored(id, 320)));
    expect(await traffic(equal)).toMatchObject({ errors: 0, comparedRows: 320, disagreements: 0 });
    expect(await traffic(hanging)).toMatchObject({ errors: 320, comparedRows: 0 });
    expect(await traffic(other)).toMatchObject({ errors: 0, comparedRows: 320, disagreements: 320 });
    expect(await traffic(live.deploymentId)).toMatchObject({ requests: 320, errors: 0 });
  });

  it('with another signature only fails by itself', async () => {
    const live = await serve(service, tess, production);
    const candidate = await makeVersion(service, {
      ...production,
      stage: 'STAGING',
      bytes: linear([1, 1], 0),
      signature: xToY(2),
      modelId: live.modelId,
    });
    const shadow = await deploy(tess, {
      endpointId: live.endpointId,
      modelVersionId: candidate.versionId,
      mode: 'SHADOW',
    });
    expect((await predict(tess, { endpointId: live.endpointId, rows: [{ x: 1 }] })).outputs[0]!.data).toEqual([1]);
    await mirrored(shadow, 1);
    expect(await traffic(shadow)).toMatchObject({ errors: 1 });
  });

  it('that is too slow loses copies, which are counted, and delays no answer', async () => {
    const live = await serve(service, tess, production);
    const candidate = await makeVersion(service, {
      ...production,
      stage: 'STAGING',
      bytes: hangsAbove1000(),
      modelId: live.modelId,
    });
    const shadow = await deploy(tess, {
      endpointId: live.endpointId,
      modelVersionId: candidate.versionId,
      mode: 'SHADOW',
    });
    const { services } = service.app.context;
    const { serving } = services;
    const principal = {
      subject: 'tess',
      tenant: 'acme',
      role: Role.ENGINEER,
      expiresAt: new Date(Date.now() + 60_000),
    };
    const startedAt = performance.now();
    let most = 0;
    for (let wave = 0; wave < 10; wave++) {
      await Promise.all(
        Array.from({ length: 400 }, (_, i) =>
          services.predictions.predict(
            principal,
            { endpointId: live.endpointId, rows: [{ x: 5_000 }] },
            `w${wave}-${i}`,
          ),
        ),
      );
      most = Math.max(most, serving.mirror.size);
    }
    const answeredMs = performance.now() - startedAt;
    await expect.poll(() => serving.mirror.size, { timeout: 20_000 }).toBe(0);
    const { requests } = await traffic(shadow);
    console.log(
      `4000 answers in ${answeredMs.toFixed(0)} ms beside a shadow that hangs: ${requests} copies tried, ` +
        `${serving.mirror.dropped} dropped, at most ${most} waiting`,
    );
    expect(requests + serving.mirror.dropped).toBe(4_000);
    expect(serving.mirror.dropped).toBeGreaterThan(0);
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain(`matih_dropped{what="shadow_copy"} ${serving.mirror.dropped}`);
    expect(most).toBeLessThanOrEqual(2_032);
    expect(await traffic(live.deploymentId)).toMatchObject({ requests: 4_000, errors: 0 });
  });
});

describe('the shadow gate', () => {
  it('says what is missing, then passes on enough good traffic and an evaluation against production', async () => {
    const live = await serve(service, tess, production, { slaLatencyP95Ms: 500 });
    const candidate = await makeVersion(service, {
      ...production,
      stage: 'STAGING',
      bytes: linear([1.01], 0),
      modelId: live.modelId,
    });
    const shadow = await deploy(tess, {
      endpointId: live.endpointId,
      modelVersionId: candidate.versionId,
      mode: 'SHADOW',
    });
    expect(failing(await decide(shadow))).toEqual(['requests', 'latency_p95_ms', 'disagreement_share', 'quality']);
    for (let wave = 0; wave < 5; wave++)
      await Promise.all(
        Array.from({ length: 44 }, (_, i) => predict(tess, { endpointId: live.endpointId, rows: [{ x: i % 20 }] })),
      );
    await mirrored(shadow, 220);
    expect(failing(await decide(shadow))).toEqual(['quality']);
    await evaluate(candidate, live.versionId, 2);
    expect(failing(await decide(shadow))).toEqual(['quality']);
    await evaluate(candidate, live.versionId, 0.9);
    const passed = await decide(shadow);
    expect(passed).toMatchObject({ gate: 'SHADOW', passed: true });
    console.log(`shadow gate: ${passed.checks.map(({ name, got }) => `${name} ${got}`).join(', ')}`);
    const { events } = await tess.ok(EventsDetailsDocument, {
      filter: { endpointId: live.endpointId, types: ['SHADOW_EVALUATED'] },
    });
    expect(events.nodes.map(({ payload }) => (payload as { passed: boolean }).passed)).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(events.nodes[0]).toMatchObject({ subjectId: candidate.versionId, payload: { gateResultId: passed.id } });
  });

  it('is not decided for live deployments', async () => {
    const live = await serve(service, tess, production);
    const refused = await tess.fails(DecideShadowDetailsDocument, { input: { deploymentId: live.deploymentId } });
    expect(refused.extensions).toMatchObject({ code: 'CONFLICT', field: 'input.deploymentId', got: 'LIVE' });
  });
});
