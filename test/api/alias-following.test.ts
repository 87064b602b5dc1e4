import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, makeVersion, predict, xToY } from '../support/serving.js';
import { CreateEndpointDocument } from '../../schema/generated/operations.js';
import {
  DeleteModelAliasDetailsDocument,
  DeployModelVersionDetailsDocument,
  PredictDetailsDocument,
  UpdateEndpointDetailsDocument,
  SetModelAliasIdDocument,
  EndpointForAliasFollowingDocument,
  type EndpointForAliasFollowingQuery,
  EndpointsForAliasFollowingDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let admin: pg.Client;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '2' });
  tess = await service.as();
  admin = new pg.Client({ connectionString: service.database.url });
  await admin.connect();
});
afterAll(async () => {
  await admin?.end();
  await service?.close();
});

const times = (weight: number) => ({ bytes: linear([weight], 0), signature: xToY(1) });

const setAlias = (modelId: string, modelVersionId: string, alias = 'champion') =>
  tess.ok(SetModelAliasIdDocument, {
    input: { modelId, modelVersionId, alias },
  });
const deleteAlias = (modelId: string, alias = 'champion') =>
  tess.ok(DeleteModelAliasDetailsDocument, {
    input: { modelId, alias },
  });

async function following(id: string): Promise<EndpointForAliasFollowingQuery['endpoint']> {
  return (await tess.ok(EndpointForAliasFollowingDocument, { id })).endpoint;
}

async function serves(endpointId: string, versionId: string): Promise<void> {
  await expect
    .poll(
      async () => {
        const { data } = await tess.send(PredictDetailsDocument, {
          input: { endpointId, rows: [{ x: 1 }] },
        });
        return data?.predict.modelVersion.id;
      },
      { timeout: 10_000, interval: 20 },
    )
    .toBe(versionId);
}

describe('an endpoint that follows an alias', () => {
  it('moves its traffic with the alias and back, and no request fails', async () => {
    const first = await makeVersion(service, times(1));
    const second = await makeVersion(service, { ...times(2), modelId: first.modelId });
    await setAlias(first.modelId, first.versionId);
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId, followAlias: 'champion' });
    await serves(endpointId, first.versionId);
    const seen: number[] = [];
    const failures: unknown[] = [];
    let done = false;
    const callers = Array.from({ length: 4 }, async () => {
      while (!done) {
        const { data, errors } = await tess.send(PredictDetailsDocument, {
          input: { endpointId, rows: [{ x: 1 }] },
        });
        if (errors) failures.push(errors);
        else seen.push(data!.predict.outputs[0]!.data[0] as number);
      }
    });
    const until = async (value: number) => {
      await expect
        .poll(() => seen.slice(-20).every((answer) => answer === value) && seen.length > 20, {
          timeout: 10_000,
          interval: 20,
        })
        .toBe(true);
    };
    await until(1);
    await setAlias(first.modelId, second.versionId);
    await until(2);
    expect(await following(endpointId)).toMatchObject({
      followedVersion: { id: second.versionId },
      followProblem: null,
      deployments: [{ mode: 'LIVE', status: 'READY', modelVersion: { id: second.versionId } }],
    });
    await setAlias(first.modelId, first.versionId);
    await until(1);
    await setAlias(first.modelId, second.versionId);
    await until(2);
    done = true;
    await Promise.all(callers);
    expect(failures).toEqual([]);
    console.log(`three moves of an alias under traffic: ${seen.length} answers, ${failures.length} failures`);
  });

  it('waits for an alias that does not exist, and keeps its deployment when the alias is deleted, and says so', async () => {
    const first = await makeVersion(service, times(1));
    const second = await makeVersion(service, { ...times(2), modelId: first.modelId });
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId, followAlias: 'champion' });
    expect(await following(endpointId)).toEqual({
      followStage: null,
      followAlias: 'champion',
      followProblem: expect.stringContaining('no alias "champion"'),
      followedVersion: null,
      deployments: [],
    });
    expect(
      (await tess.fails(PredictDetailsDocument, { input: { endpointId, rows: [{ x: 1 }] } })).extensions.code,
    ).toBeTruthy();
    await setAlias(first.modelId, second.versionId, 'challenger');
    expect((await following(endpointId)).deployments).toEqual([]);
    await setAlias(first.modelId, first.versionId);
    await serves(endpointId, first.versionId);
    await deleteAlias(first.modelId);
    const { followProblem, followedVersion, deployments } = await following(endpointId);
    expect(followProblem).toContain('what served before goes on until the alias is set');
    expect(followedVersion).toBeNull();
    expect(deployments).toMatchObject([{ status: 'READY', modelVersion: { id: first.versionId } }]);
    expect((await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id).toBe(first.versionId);
    const refused = await tess.fails(DeployModelVersionDetailsDocument, {
      input: { endpointId, modelVersionId: second.versionId, mode: 'LIVE' },
    });
    expect(refused).toMatchObject({
      message: expect.stringContaining('follows alias "champion"'),
      extensions: { code: 'CONFLICT' },
    });
    // The version that serves cannot be deleted, and the alias can be set again.
    await setAlias(first.modelId, second.versionId);
    await serves(endpointId, second.versionId);
  });

  it('changes to a stage and back, follows only one, and can stop following', async () => {
    const first = await makeVersion(service, { ...times(1), stage: 'STAGING' });
    const second = await makeVersion(service, { ...times(2), modelId: first.modelId });
    await setAlias(first.modelId, second.versionId);
    const both = { modelId: first.modelId, name: 'both', followStage: 'STAGING', followAlias: 'champion' };
    expect((await tess.fails(CreateEndpointDocument, { input: both })).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.followAlias',
    });
    for (const followAlias of ['latest', 'v1', '', 'a b', '../x', 'x'.repeat(256)]) {
      const input = { modelId: first.modelId, name: 'bad', followAlias };
      expect((await tess.fails(CreateEndpointDocument, { input })).extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.followAlias',
      });
    }
    const { id } = await createEndpoint(tess, { modelId: first.modelId, followStage: 'STAGING' });
    await serves(id, first.versionId);
    await tess.ok(UpdateEndpointDetailsDocument, { input: { id, followAlias: 'champion' } });
    await serves(id, second.versionId);
    expect(await following(id)).toMatchObject({ followStage: null, followAlias: 'champion' });
    expect(
      (
        await tess.fails(UpdateEndpointDetailsDocument, {
          input: { id, followStage: 'STAGING', followAlias: 'champion' },
        })
      ).extensions.code,
    ).toBe('BAD_USER_INPUT');
    await tess.ok(UpdateEndpointDetailsDocument, { input: { id, followStage: 'STAGING' } });
    await serves(id, first.versionId);
    expect(await following(id)).toMatchObject({ followStage: 'STAGING', followAlias: null });
    await tess.ok(UpdateEndpointDetailsDocument, { input: { id, followAlias: 'champion' } });
    await serves(id, second.versionId);
    await tess.ok(UpdateEndpointDetailsDocument, { input: { id, followAlias: null } });
    await setAlias(first.modelId, first.versionId);
    expect(await following(id)).toMatchObject({ followAlias: null, followProblem: null, followedVersion: null });
    await deploy(tess, { endpointId: id, modelVersionId: first.versionId });
    expect((await predict(tess, { endpointId: id, rows: [{ x: 1 }] })).modelVersion.id).toBe(second.versionId);
  });

  it('waits for the files of a version, and serves it when they are stored', async () => {
    const first = await makeVersion(service, times(1));
    const second = await makeVersion(service, { ...times(2), modelId: first.modelId });
    await setAlias(first.modelId, first.versionId);
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId, followAlias: 'champion' });
    await serves(endpointId, first.versionId);
    await admin.query(`update model_version set status = 'PENDING' where id = $1`, [second.versionId]);
    await setAlias(first.modelId, second.versionId);
    expect((await following(endpointId)).followProblem).toContain('are being stored');
    expect((await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id).toBe(first.versionId);
    await service.app.context.services.versionStorage.sweep(0);
    await serves(endpointId, second.versionId);
    expect((await following(endpointId)).followProblem).toBeNull();
  });

  it('misses no version, also when its alias and its files come at the same time', async () => {
    const { modelId, versionId: first } = await makeVersion(service, times(1));
    await setAlias(modelId, first);
    const { id: endpointId } = await createEndpoint(tess, { modelId, followAlias: 'champion' });
    for (let i = 0; i < 8; i++) {
      const { versionId } = await makeVersion(service, { ...times(2 + i), modelId });
      await admin.query(`update model_version set status = 'PENDING' where id = $1`, [versionId]);
      const [, , created] = await Promise.all([
        setAlias(modelId, versionId),
        service.app.context.services.versionStorage.sweep(0),
        createEndpoint(tess, { modelId, followAlias: 'champion' }),
      ]);
      await serves(endpointId, versionId);
      await serves(created.id, versionId);
    }
  });

  it('keeps its deployment while its alias points to a version that cannot be loaded', async () => {
    const first = await makeVersion(service, times(1));
    const broken = await makeVersion(service, {
      ...times(2),
      bytes: new Uint8Array([1, 2, 3]),
      modelId: first.modelId,
    });
    const { versionId: unconverted } = await makeVersion(service, { ...times(3), modelId: first.modelId });
    await admin.query('update model_version set object_key = null, signature = null where id = $1', [unconverted]);
    await setAlias(first.modelId, first.versionId);
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId, followAlias: 'champion' });
    await serves(endpointId, first.versionId);
    await setAlias(first.modelId, broken.versionId);
    await expect
      .poll(async () => (await following(endpointId)).followProblem, { timeout: 10_000 })
      .toContain('could not be loaded');
    await setAlias(first.modelId, unconverted);
    expect((await following(endpointId)).followProblem).toContain('has no model.onnx');
    expect((await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id).toBe(first.versionId);
  });

  it('is listed with its version in a number of statements that does not grow with the list', async () => {
    const cost = async (first: number) => {
      service.statements.length = 0;
      await tess.ok(EndpointsForAliasFollowingDocument, { first });
      return service.statements.length;
    };
    const one = await cost(1);
    expect(await cost(5)).toBe(one);
  });
});
