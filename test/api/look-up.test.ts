import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { World } from '../support/world.js';
import {
  CreateExperimentDetailsDocument,
  type CreateModelInput,
  DatasetForLookUpDocument,
  DeleteExperimentForLookUpDocument,
  GetOrCreateExperimentForLookUpDocument,
  GetOrCreateModelForLookUpDocument,
  RegisterDatasetForLookUpDocument,
} from '../generated/operations.js';

const AT_ONCE = 8;
const ROUNDS = 5;

let service: TestService;
let traffic: TrafficWriter;
let world: World;
let owner: Caller;
let stranger: Caller;

beforeAll(async () => {
  service = await startTestService({ DATABASE_POOL_SIZE: '20' });
  traffic = await TrafficWriter.connect(service.database.url);
  world = await World.create(service, traffic, 'acme');
  owner = world.caller;
  stranger = await service.as({ tenant: 'stranger', role: Role.ADMIN });
});
afterAll(async () => {
  await world?.close();
  await traffic?.end();
  await service?.close();
});

interface Named {
  id: string;
  name: string;
}

async function named(field: string, id: string): Promise<Named> {
  const answer = await owner.ok<Record<string, Named>>(`query ($id: ID!) { ${field}(id: $id) { id name } }`, { id });
  return answer[field]!;
}

describe('an object is found by its name', () => {
  it.each(['experiment', 'model', 'endpoint', 'dataset'] as const)('%s', async (kind) => {
    const { id, name } = await named(kind, world.things[`${kind}Id`]);
    const query = `query ($id: ID, $name: String) { ${kind}(id: $id, name: $name) { id name } }`;
    expect((await owner.ok<Record<string, Named>>(query, { name }))[kind]).toEqual({ id, name });
    expect(await owner.fails(query, { name: 'nobody' })).toMatchObject({
      message: `No ${kind} named "nobody".`,
      extensions: { code: 'NOT_FOUND', got: '"nobody"' },
    });
    expect(await stranger.fails(query, { name })).toMatchObject({
      message: `No ${kind} named "${name}".`,
      extensions: { code: 'NOT_FOUND' },
    });
    for (const ways of [{}, { id, name }]) {
      const { message, extensions } = await owner.fails(query, ways);
      expect(message).toContain('expected exactly one of id and name');
      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: expect.stringMatching(/^(id|name)$/) });
    }
  });

  it('and a dataset by its version, the newest when none is named', async () => {
    const { name } = await named('dataset', world.things.datasetId);
    const upload = async () => (await owner.upload('t.csv', 'a,b\n1,2\n')).uploadId;
    const { registerDataset } = await owner.ok(RegisterDatasetForLookUpDocument, {
      name,
      uploadId: await upload(),
    });
    const query = `query ($name: String, $version: Int) { dataset(name: $name, version: $version) { id version } }`;
    const { dataset: newest } = await owner.ok<{ dataset: object }>(query, { name });
    expect(newest).toEqual({ id: registerDataset.dataset.id, version: 2 });
    const { dataset: first } = await owner.ok<{ dataset: object }>(query, { name, version: 1 });
    expect(first).toEqual({ id: world.things.datasetId, version: 1 });
    expect(await owner.fails(query, { name, version: 3 })).toMatchObject({
      message: `Dataset "${name}" has no version 3; its newest is 2.`,
      extensions: { code: 'NOT_FOUND', field: 'version' },
    });
    const alone = await owner.fails(DatasetForLookUpDocument, {
      id: world.things.datasetId,
    });
    expect(alone.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'version' });
  });

  it('and a model version by number, stage or alias of its model', async () => {
    const { modelId, versionId } = world.things;
    const { name } = await named('model', modelId);
    const second = await world.newVersion(modelId);
    const alias = await world.newAlias(modelId, second);
    const query = `query ($id: ID, $modelId: ID, $modelName: String, $version: Int, $stage: Stage, $alias: String) {
      modelVersion(id: $id, modelId: $modelId, modelName: $modelName, version: $version, stage: $stage, alias: $alias) { id } }`;
    const idOf = async (ways: object) =>
      (await owner.ok<{ modelVersion: { id: string } }>(query, { ...ways })).modelVersion.id;
    for (const of of [{ modelId }, { modelName: name }]) {
      expect(await idOf({ ...of, version: 1 })).toBe(versionId);
      expect(await idOf({ ...of, stage: 'PRODUCTION' })).toBe(versionId);
      expect(await idOf({ ...of, stage: 'DEVELOPMENT' })).toBe(second);
      expect(await idOf({ ...of, alias })).toBe(second);
    }
    expect(await owner.fails(query, { modelName: name, version: 9 })).toMatchObject({
      message: `Model "${name}" has no version 9.`,
      extensions: { code: 'NOT_FOUND' },
    });
    expect((await owner.fails(query, { modelName: name, stage: 'ARCHIVED' })).message).toBe(
      `Model "${name}" has no version in ARCHIVED.`,
    );
    expect((await owner.fails(query, { modelName: name, alias: 'nobody' })).extensions.code).toBe('NOT_FOUND');
    const wrong = [
      {},
      { modelName: name },
      { modelName: name, version: 1, stage: 'PRODUCTION' },
      { id: versionId, version: 1 },
      { version: 1 },
    ];
    for (const ways of wrong)
      expect((await owner.fails(query, ways)).extensions.code, JSON.stringify(ways)).toBe('BAD_USER_INPUT');
  });
});

describe('get or create', () => {
  it(`gives ${AT_ONCE} callers at the same time the same experiment and model, which one of them created`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const name = `shared-${round}`;
      const all = <T>(send: () => Promise<T>) => Promise.all(Array.from({ length: AT_ONCE }, send));
      const experiments = await all(() => owner.ok(GetOrCreateExperimentForLookUpDocument, { input: { name } }));
      expect(experiments.filter(({ getOrCreateExperiment: { created } }) => created)).toHaveLength(1);
      expect(new Set(experiments.map(({ getOrCreateExperiment: { experiment } }) => experiment.id)).size).toBe(1);
      const input: CreateModelInput = { name, task: 'REGRESSION', modelType: 'x' };
      const models = await all(() => owner.ok(GetOrCreateModelForLookUpDocument, { input }));
      expect(models.filter(({ getOrCreateModel: { created } }) => created)).toHaveLength(1);
      expect(new Set(models.map(({ getOrCreateModel: { model } }) => model.id)).size).toBe(1);
    }
  });

  it('and create at the same time: one creates it, and the others get an error that the name is taken', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const input = { name: `mixed-${round}` };
      const answers = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, i) =>
          i % 2 === 0
            ? owner.send(CreateExperimentDetailsDocument, { input })
            : owner.send(GetOrCreateExperimentForLookUpDocument, { input }),
        ),
      );
      const errors = answers.flatMap(({ errors: found }) => found ?? []);
      expect(new Set(errors.map(({ message }) => message))).toEqual(
        new Set([`An experiment named "${input.name}" already exists.`]),
      );
      expect(answers.filter((_, i) => i % 2 === 1).every(({ errors: found }) => !found)).toBe(true);
    }
  });

  it('does not change what exists, and refuses another task', async () => {
    const input: CreateModelInput = { name: 'as-it-is', task: 'REGRESSION', modelType: 'x', description: 'first' };
    const made = (await owner.ok(GetOrCreateModelForLookUpDocument, { input })).getOrCreateModel;
    const again = (await owner.ok(GetOrCreateModelForLookUpDocument, { input: { ...input, description: 'other' } }))
      .getOrCreateModel;
    expect(again).toEqual({ ...made, created: false });
    expect(
      await owner.fails(GetOrCreateModelForLookUpDocument, { input: { ...input, task: 'CLASSIFICATION' } }),
    ).toMatchObject({
      message: 'Model "as-it-is" exists and its task is REGRESSION: ask for that task, or choose another name.',
      extensions: { code: 'CONFLICT', field: 'input.task', expected: 'REGRESSION', got: 'CLASSIFICATION' },
    });
  });

  it('refuses the name of a deleted experiment', async () => {
    const { getOrCreateExperiment } = await owner.ok(GetOrCreateExperimentForLookUpDocument, {
      input: { name: 'gone' },
    });
    const { id } = getOrCreateExperiment.experiment;
    await owner.ok(DeleteExperimentForLookUpDocument, { id });
    expect(await owner.fails(GetOrCreateExperimentForLookUpDocument, { input: { name: 'gone' } })).toMatchObject({
      message: 'Experiment "gone" is deleted: restore it (restoreExperiment), or choose another name.',
      extensions: { code: 'CONFLICT', field: 'input.name' },
    });
  });
});
