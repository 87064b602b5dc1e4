import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { createModel, forceToProduction, register, trainTumours } from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { mutate } from '../support/tracking.js';
import { GetOrCreateEndpointDocument } from '../../schema/generated/operations.js';
import {
  CreateEndpointDetailsDocument,
  DeployModelVersionDetailsDocument,
  EndpointDetailsDocument,
  PredictDetailsDocument,
  UndeployDetailsDocument,
  type DeployModelVersionInput,
} from '../generated/operations.js';

const AT_ONCE = 6;

let service: TestService;
let tess: Caller;
let admin: Caller;
let runId: string;
let modelId: string;
let versionId: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
  ({ runId } = await trainTumours(tess));
  modelId = await createModel(tess);
  versionId = (await register(tess, { modelId, runId })).id;
  await forceToProduction(admin, versionId, null);
});
afterAll(() => service?.close());

const newName = () => `e-${Math.random().toString(36).slice(2)}`;

describe('waiting for an endpoint', () => {
  it('returns when it serves, for all callers at the same time', async () => {
    const made = await mutate(tess, CreateEndpointDetailsDocument, {
      name: newName(),
      modelId,
      followStage: 'PRODUCTION',
      waitMs: 60_000,
    });
    expect(made).toMatchObject({ serves: true, servingProblem: null });
    const { predict } = await tess.ok(PredictDetailsDocument, {
      input: {
        endpointName: made.endpoint.name,
        rows: [{ radius: 14, texture: 19, smoothness: 0.1, concavity: 0.1, symmetry: 0.2 }],
      },
    });
    expect(predict.predictions).toHaveLength(1);
  });

  it('returns at once with what is missing when waiting cannot help', async () => {
    const startedMs = performance.now();
    const other = await createModel(tess);
    const input = { name: newName(), modelId: other, followStage: 'PRODUCTION', waitMs: 60_000 } as const;
    const made = await mutate(tess, CreateEndpointDetailsDocument, input);
    expect(made).toMatchObject({
      serves: false,
      servingProblem: 'No version is in PRODUCTION: nothing serves until one is promoted.',
    });
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    const manual = await mutate(tess, CreateEndpointDetailsDocument, { name: newName(), modelId, waitMs: 60_000 });
    expect(manual).toMatchObject({ serves: false, servingProblem: expect.stringContaining('deployModelVersion') });
    expect(
      (await tess.fails(CreateEndpointDetailsDocument, { input: { name: 'x', modelId, waitMs: 60001 } })).extensions,
    ).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.waitMs' });
    expect((await tess.fails(EndpointDetailsDocument, { name: 'x' })).extensions.code).toBe('NOT_FOUND');
  });

  it('works for deployments by hand, live and as a shadow', async () => {
    const { endpoint } = await mutate(tess, CreateEndpointDetailsDocument, { name: newName(), modelId });
    const deploy = (rest: Pick<DeployModelVersionInput, 'modelVersionId' | 'mode'>) =>
      mutate(tess, DeployModelVersionDetailsDocument, { endpointId: endpoint.id, waitMs: 60_000, ...rest });
    expect(await deploy({ modelVersionId: versionId, mode: 'LIVE' })).toMatchObject({
      deployment: { status: 'READY' },
      serves: true,
      servingProblem: null,
    });
    const second = (await register(tess, { modelId, runId })).id;
    expect(await deploy({ modelVersionId: second, mode: 'SHADOW' })).toMatchObject({
      deployment: { status: 'READY' },
      serves: true,
    });
    const third = (await register(tess, { modelId, runId })).id;
    const idle = await mutate(tess, DeployModelVersionDetailsDocument, {
      endpointId: endpoint.id,
      modelVersionId: third,
      mode: 'LIVE',
      waitMs: 60_000,
    });
    expect(idle).toMatchObject({
      serves: false,
      servingProblem: 'It is loaded and has no share of the traffic: setTrafficWeights.',
    });
    expect(await mutate(tess, UndeployDetailsDocument, { deploymentId: idle.deployment.id })).toMatchObject({
      serves: false,
      servingProblem: expect.stringContaining('stopped'),
    });
  });

  it(`gets or creates it: ${AT_ONCE} calls at the same time get the same, and another one with its name is refused`, async () => {
    const input = { name: newName(), modelId, followStage: 'PRODUCTION', waitMs: 60_000 } as const;
    const all = await Promise.all(
      Array.from({ length: AT_ONCE }, () => tess.ok(GetOrCreateEndpointDocument, { input })),
    );
    const served = all.map(({ getOrCreateEndpoint }) => getOrCreateEndpoint);
    expect(served.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(served.map(({ endpoint }) => endpoint.id)).size).toBe(1);
    expect(served.every(({ serves, servingProblem }) => serves && servingProblem === null)).toBe(true);
    const other = await createModel(tess);
    for (const [changed, field] of [
      [{ modelId: other }, 'input.modelId'],
      [{ followStage: null, followAlias: 'champion' }, 'input.followStage'],
    ] as const) {
      expect(
        (await tess.fails(GetOrCreateEndpointDocument, { input: { ...input, ...changed } })).extensions,
      ).toMatchObject({
        code: 'CONFLICT',
        field,
      });
    }
  });

  it('reports that its model cannot be loaded', async () => {
    const broken = (await register(tess, { modelId, runId, description: 'will lose its file' })).id;
    const { db, objects } = service.app.context;
    const [row] = await db.asSystem((em) =>
      em.execute<{ key: string }[]>('select object_key as key from model_version where id = ?', [broken]),
    );
    await objects.delete(row!.key);
    const { endpoint } = await mutate(tess, CreateEndpointDetailsDocument, { name: newName(), modelId });
    const input = { endpointId: endpoint.id, modelVersionId: broken, mode: 'LIVE', waitMs: 1_000 } as const;
    const late = await mutate(tess, DeployModelVersionDetailsDocument, input);
    expect(late.serves).toBe(false);
    expect(late.servingProblem).toMatch(/is being loaded|could not be loaded/);
  });
});
