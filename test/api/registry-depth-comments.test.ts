import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { linear } from '../fixtures/models/build.js';
import { createModel, forceToProduction, registerUpload } from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { AuditLogDocument, CreateEndpointDocument, StageAtDocument } from '../../schema/generated/operations.js';
import {
  ApproveModelVersionDetailsDocument,
  ArchiveModelVersionDetailsDocument,
  CreateModelCommentDetailsDocument,
  type CreateModelCommentInput,
  DeleteEndpointDetailsDocument,
  DeleteModelCommentDetailsDocument,
  DeleteModelCommentForRegistryDepthCommentsDocument,
  DeleteModelDetailsDocument,
  DeleteModelVersionDetailsDocument,
  DeployModelVersionDetailsDocument,
  EventsDetailsDocument,
  ModelCommentsDetailsDocument,
  type ModelCommentsDetailsQueryVariables,
  ModelCommentsForRegistryDepthCommentsDocument,
  ModelVersionDetailsDocument,
  SetModelAliasDetailsDocument,
  UndeployDetailsDocument,
  UpdateModelCommentDetailsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let bob: Caller;
let admin: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  bob = await service.as({ subject: 'bob' });
  admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
});
afterAll(() => service?.close());

async function add(caller: Caller, input: CreateModelCommentInput): Promise<{ id: string } & Record<string, unknown>> {
  return (await caller.ok(CreateModelCommentDetailsDocument, { input })).createModelComment.comment;
}

describe('comments', () => {
  it('are written on models and versions, listed newest first, and write events', async () => {
    const modelId = await createModel(tess, { task: 'OTHER' });
    const { id: modelVersionId } = await registerUpload(tess, modelId, linear([1], 0));
    const general = await add(tess, { modelId, body: 'Who owns this?' });
    expect(general).toMatchObject({ createdBy: 'tess', model: { id: modelId }, modelVersion: null });
    const script = '<script>alert(1)</script>\n"=1+1" \u202e';
    const special = await add(bob, { modelVersionId, body: script });
    expect(special).toMatchObject({
      body: script,
      createdBy: 'bob',
      model: { id: modelId },
      modelVersion: { id: modelVersionId },
    });
    const first = await tess.ok(ModelCommentsDetailsDocument, { modelId, first: 1 });
    expect(first.modelComments).toMatchObject({
      totalCount: 2,
      nodes: [{ id: special.id, body: script }],
      pageInfo: { hasNextPage: true },
    });
    const next = await tess.ok(ModelCommentsDetailsDocument, {
      modelId,
      first: 1,
      after: first.modelComments.pageInfo.endCursor,
    });
    expect(next.modelComments).toMatchObject({ nodes: [{ id: general.id }], pageInfo: { hasNextPage: false } });
    expect((await tess.ok(ModelCommentsDetailsDocument, { modelVersionId })).modelComments).toMatchObject({
      totalCount: 1,
      nodes: [{ id: special.id }],
    });
    const chosen = async (choice: ModelCommentsDetailsQueryVariables) => {
      const { modelComments } = await tess.ok(ModelCommentsDetailsDocument, { modelId, ...choice });
      expect(modelComments.totalCount).toBe(modelComments.nodes.length);
      return modelComments.nodes.map(({ id }) => id);
    };
    expect(await chosen({ filter: { createdBy: 'bob' } })).toEqual([special.id]);
    expect(await chosen({ filter: { search: 'WHO OWNS' } })).toEqual([general.id]);
    expect(await chosen({ filter: { search: '%' } })).toEqual([]);
    expect(await chosen({ orderBy: { field: 'CREATED_AT', direction: 'ASC' } })).toEqual([general.id, special.id]);
    expect(await chosen({ orderBy: { field: 'UPDATED_AT', direction: 'DESC' } })).toEqual([special.id, general.id]);
    const { events } = await tess.ok(EventsDetailsDocument, { filter: { types: ['MODEL_COMMENTED'], modelId } });
    expect(events.nodes).toMatchObject([
      {
        subjectType: 'modelVersion',
        subjectId: modelVersionId,
        payload: { commentId: special.id, excerpt: script, by: 'bob', version: 1 },
      },
      { subjectType: 'model', subjectId: modelId, payload: { commentId: general.id, by: 'tess', version: null } },
    ]);
  });

  it('are changed by their author, and removed by the author or an ADMIN', async () => {
    const modelId = await createModel(tess);
    const { id, createdAt } = await add(tess, { modelId, body: 'firts' });
    expect(
      (await bob.fails(UpdateModelCommentDetailsDocument, { input: { id, body: 'mine now' } })).extensions,
    ).toMatchObject({
      code: 'FORBIDDEN',
      expected: 'tess',
    });
    expect(
      (await admin.fails(UpdateModelCommentDetailsDocument, { input: { id, body: 'mine now' } })).extensions.code,
    ).toBe('FORBIDDEN');
    expect((await bob.fails(DeleteModelCommentDetailsDocument, { input: { id } })).extensions.code).toBe('FORBIDDEN');
    const { updateModelComment } = await tess.ok(UpdateModelCommentDetailsDocument, {
      input: { id, body: 'first' },
    });
    expect(updateModelComment.comment).toMatchObject({ body: 'first', createdAt });
    expect(Date.parse(updateModelComment.comment.updatedAt)).toBeGreaterThanOrEqual(Date.parse(createdAt as string));
    await admin.ok(DeleteModelCommentDetailsDocument, { input: { id } });
    expect((await tess.fails(DeleteModelCommentDetailsDocument, { input: { id } })).extensions.code).toBe('NOT_FOUND');
    const own = await add(tess, { modelId, body: 'x' });
    expect(await tess.ok(DeleteModelCommentDetailsDocument, { input: { id: own.id } })).toEqual({
      deleteModelComment: { deletedId: own.id },
    });
    const { auditLog } = await admin.ok(AuditLogDocument, {
      filter: { subjectId: modelId, action: 'deleteModelComment' },
    });
    expect(auditLog.nodes).toMatchObject([
      { actor: 'tess', before: { body: 'x' } },
      { actor: 'ada', before: { commentId: id, body: 'first', createdBy: 'tess' }, after: null },
    ]);
  });

  it('refuse invalid text, and other tenants', async () => {
    const modelId = await createModel(tess, { task: 'OTHER' });
    const { id: modelVersionId } = await registerUpload(tess, modelId, linear([1], 0));
    for (const body of ['', ' \n\t ', 'x'.repeat(10_001), 'a\0b', '\ud800'])
      expect(
        (await tess.fails(CreateModelCommentDetailsDocument, { input: { modelId, body } })).extensions,
        JSON.stringify(body.slice(0, 9)),
      ).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.body',
      });
    for (const on of [{}, { modelId, modelVersionId }])
      expect(
        (await tess.fails(CreateModelCommentDetailsDocument, { input: { ...on, body: 'x' } })).extensions,
      ).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input',
      });
    const { id } = await add(tess, { modelId, body: 'ours' });
    const globex = await service.as({ tenant: 'globex', role: Role.ADMIN });
    for (const [query, variables] of [
      [CreateModelCommentDetailsDocument, { input: { modelId, body: 'x' } }],
      [CreateModelCommentDetailsDocument, { input: { modelVersionId, body: 'x' } }],
      [UpdateModelCommentDetailsDocument, { input: { id, body: 'x' } }],
      [DeleteModelCommentForRegistryDepthCommentsDocument, { id }],
      [ModelCommentsForRegistryDepthCommentsDocument, { modelId }],
      [ModelCommentsForRegistryDepthCommentsDocument, { modelVersionId }],
    ] as const)
      expect((await globex.fails(query, variables)).extensions.code).toBe('NOT_FOUND');
    expect(
      (
        await (
          await service.as({ role: Role.VIEWER })
        ).fails(CreateModelCommentDetailsDocument, { input: { modelId, body: 'x' } })
      ).extensions.code,
    ).toBe('FORBIDDEN');
  });
});

describe('the deletion of a model', () => {
  async function commented(): Promise<{ modelId: string; id: string }> {
    const modelId = await createModel(tess, { task: 'OTHER' });
    const { id } = await registerUpload(tess, modelId, linear([1], 0));
    await add(tess, { modelVersionId: id, body: 'about the version' });
    await add(tess, { modelId, body: 'about the model' });
    await bob.ok(ApproveModelVersionDetailsDocument, { input: { modelVersionId: id, toStage: 'STAGING' } });
    await tess.ok(SetModelAliasDetailsDocument, { input: { modelId, modelVersionId: id, alias: 'champion' } });
    return { modelId, id };
  }

  const left = (table: string, modelId: string, id: string) =>
    service.app.context.db.asSystem(async (em) => {
      const where = table === 'approval' ? `model_version_id = '${id}'` : `model_id = '${modelId}'`;
      return (await em.execute<{ n: number }[]>(`select count(*)::int as n from ${table} where ${where}`))[0]!.n;
    });

  it('deletes a version with its aliases, approvals and comments, and tells followers of an alias', async () => {
    const { modelId, id } = await commented();
    await tess.ok(DeleteModelVersionDetailsDocument, { input: { id } });
    expect(await left('approval', modelId, id)).toBe(0);
    expect(await left('model_alias', modelId, id)).toBe(0);
    expect(
      (await tess.ok(ModelCommentsDetailsDocument, { modelId })).modelComments.nodes.map(({ body }) => body),
    ).toEqual(['about the model']);
    const { events } = await tess.ok(EventsDetailsDocument, {
      filter: { types: ['MODEL_ALIAS_CHANGED'], modelId },
      first: 1,
    });
    expect(events.nodes).toMatchObject([{ payload: { alias: 'champion', version: null, previousVersionId: id } }]);
  });

  it('of a version while people comment on it leaves nothing in part', async () => {
    for (let round = 0; round < 5; round++) {
      const { modelId, id } = await commented();
      const answers = await Promise.all([
        ...Array.from({ length: 4 }, () =>
          tess.send(CreateModelCommentDetailsDocument, { input: { modelVersionId: id, body: 'too late?' } }),
        ),
        tess.send(DeleteModelVersionDetailsDocument, { input: { id } }),
        bob.send(ApproveModelVersionDetailsDocument, { input: { modelVersionId: id, toStage: 'STAGING' } }),
        tess.send(SetModelAliasDetailsDocument, { input: { modelId, modelVersionId: id, alias: 'late' } }),
      ]);
      for (const { errors } of answers) expect([undefined, 'NOT_FOUND']).toContain(errors?.[0]?.extensions.code);
      expect(await left('model_alias', modelId, id)).toBe(0);
      expect(await left('approval', modelId, id)).toBe(0);
      expect(await left('model_comment', modelId, id)).toBe(1);
    }
  });

  it('deletes all of that; a model with a version that is deployed or was in production stays', async () => {
    const { modelId, id } = await commented();
    const endpoint = await tess.ok(CreateEndpointDocument, {
      input: { name: `e-${Math.random().toString(36).slice(2)}`, modelId },
    });
    const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
      input: { endpointId: endpoint.createEndpoint.endpoint.id, modelVersionId: id, mode: 'LIVE' },
    });
    const deployed = await tess.fails(DeleteModelVersionDetailsDocument, { input: { id } });
    expect(deployed.extensions.code).toBe('CONFLICT');
    expect(deployed.message).toContain('is deployed');
    expect((await tess.fails(DeleteModelDetailsDocument, { input: { id: modelId } })).message).toContain(
      'served by endpoints',
    );
    expect(await left('model_alias', modelId, id)).toBe(1);
    await tess.ok(UndeployDetailsDocument, { input: { deploymentId: deployModelVersion.deployment.id } });
    await tess.ok(DeleteEndpointDetailsDocument, { input: { id: endpoint.createEndpoint.endpoint.id } });
    await tess.ok(DeleteModelDetailsDocument, { input: { id: modelId } });
    for (const table of ['approval', 'model_alias', 'model_comment', 'model_version'])
      expect(await left(table, modelId, id), table).toBe(0);

    const served = await commented();
    await forceToProduction(admin, served.id, null);
    expect((await tess.fails(DeleteModelDetailsDocument, { input: { id: served.modelId } })).extensions.code).toBe(
      'CONFLICT',
    );
    expect(await left('model_comment', served.modelId, served.id)).toBe(2);
  });
});

describe('the stage of a version', () => {
  it('is known for any instant', async () => {
    const modelId = await createModel(tess, { task: 'OTHER' });
    const before = new Date(Date.now() - 1_000);
    const { id } = await registerUpload(tess, modelId, linear([1], 0));
    await forceToProduction(admin, id, null);
    await tess.ok(ArchiveModelVersionDetailsDocument, { input: { modelVersionId: id } });
    const { modelVersion } = await tess.ok(ModelVersionDetailsDocument, { id });
    const at = async (instant: number | string | Date) =>
      (await tess.ok(StageAtDocument, { modelVersionId: id, at: new Date(instant).toISOString() })).stageAt;
    expect(await at(before)).toBeNull();
    expect(await at(modelVersion.createdAt)).toBe('DEVELOPMENT');
    let earlier = 'DEVELOPMENT';
    for (const { toStage, createdAt } of modelVersion.stageHistory.toReversed()) {
      expect(await at(Date.parse(createdAt) - 1)).toBe(earlier);
      expect(await at(createdAt)).toBe(toStage);
      earlier = toStage;
    }
    expect(earlier).toBe('ARCHIVED');
    expect(await at('9999-01-01T00:00:00Z')).toBe('ARCHIVED');
    const globex = await service.as({ tenant: 'globex' });
    expect(
      (await globex.fails(StageAtDocument, { modelVersionId: id, at: before.toISOString() })).extensions.code,
    ).toBe('NOT_FOUND');
  });
});
