import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { World } from '../support/world.js';
import {
  CreateExperimentDetailsDocument,
  type CreateModelInput,
  DatasetForLookUpDocument,
  DatasetNameForLookUpDocument,
  DeleteExperimentForLookUpDocument,
  EndpointForLookUpDocument,
  ExperimentForLookUpDocument,
  GetOrCreateExperimentForLookUpDocument,
  GetOrCreateModelForLookUpDocument,
  ModelForLookUpDocument,
  ModelVersionForLookUpDocument,
  type ModelVersionForLookUpQueryVariables,
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

type Ways = { id: string } | { name: string };
const FIND = {
  experiment: {
    document: ExperimentForLookUpDocument,
    by: async (ways: Ways) => (await owner.ok(ExperimentForLookUpDocument, ways)).experiment,
  },
  model: {
    document: ModelForLookUpDocument,
    by: async (ways: Ways) => (await owner.ok(ModelForLookUpDocument, ways)).model,
  },
  endpoint: {
    document: EndpointForLookUpDocument,
    by: async (ways: Ways) => (await owner.ok(EndpointForLookUpDocument, ways)).endpoint,
  },
  dataset: {
    document: DatasetNameForLookUpDocument,
    by: async (ways: Ways) => (await owner.ok(DatasetNameForLookUpDocument, ways)).dataset,
  },
};

describe('an object is found by its name', () => {
  it.each(['experiment', 'model', 'endpoint', 'dataset'] as const)('%s', async (kind) => {
    const { document, by } = FIND[kind];
    const { id, name } = await by({ id: world.things[`${kind}Id`] });
    expect(await by({ name })).toEqual({ id, name });
    expect(await owner.fails(document, { name: 'nobody' })).toMatchObject({
      message: `No ${kind} named "nobody".`,
      extensions: { code: 'NOT_FOUND', got: '"nobody"' },
    });
    expect(await stranger.fails(document, { name })).toMatchObject({
      message: `No ${kind} named "${name}".`,
      extensions: { code: 'NOT_FOUND' },
    });
    for (const ways of [{}, { id, name }]) {
      const { message, extensions } = await owner.fails(document, ways);
      expect(message).toContain('expected exactly one of id and name');
      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: expect.stringMatching(/^(id|name)$/) });
    }
  });

  it('and a dataset by its version, the newest when none is named', async () => {
    const { name } = await FIND.dataset.by({ id: world.things.datasetId });
    const upload = async () => (await owner.upload('t.csv', 'a,b\n1,2\n')).uploadId;
    const { registerDataset } = await owner.ok(RegisterDatasetForLookUpDocument, {
      name,
      uploadId: await upload(),
    });
    const { dataset: newest } = await owner.ok(DatasetForLookUpDocument, { name });
    expect(newest).toEqual({ id: registerDataset.dataset.id, version: 2 });
    const { dataset: first } = await owner.ok(DatasetForLookUpDocument, { name, version: 1 });
    expect(first).toEqual({ id: world.things.datasetId, version: 1 });
    expect(await owner.fails(DatasetForLookUpDocument, { name, version: 3 })).toMatchObject({
      message: `Dataset "${name}" has no version 3; its newest is 2.`,
      extensions: { code: 'NOT_FOUND', field: 'version' },
    });
    const alone = await owner.fails(DatasetForLookUpDocument, { id: world.things.datasetId, version: 1 });
    expect(alone.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'version' });
  });

  it('and a model version by number, stage or alias of its model', async () => {
    const { modelId, versionId } = world.things;
    const { name } = await FIND.model.by({ id: modelId });
    const second = await world.newVersion(modelId);
    const alias = await world.newAlias(modelId, second);
    const idOf = async (ways: ModelVersionForLookUpQueryVariables) =>
      (await owner.ok(ModelVersionForLookUpDocument, ways)).modelVersion.id;
    const refused = (ways: object) => owner.fails(ModelVersionForLookUpDocument, { ...ways });
    for (const of of [{ modelId }, { modelName: name }]) {
      expect(await idOf({ ...of, version: 1 })).toBe(versionId);
      expect(await idOf({ ...of, stage: 'PRODUCTION' })).toBe(versionId);
      expect(await idOf({ ...of, stage: 'DEVELOPMENT' })).toBe(second);
      expect(await idOf({ ...of, alias })).toBe(second);
    }
    expect(await refused({ modelName: name, version: 9 })).toMatchObject({
      message: `Model "${name}" has no version 9.`,
      extensions: { code: 'NOT_FOUND' },
    });
    expect((await refused({ modelName: name, stage: 'ARCHIVED' })).message).toBe(
      `Model "${name}" has no version in ARCHIVED.`,
    );
    expect((await refused({ modelName: name, alias: 'nobody' })).extensions.code).toBe('NOT_FOUND');
    const wrong = [
      {},
      { modelName: name },
      { modelName: name, version: 1, stage: 'PRODUCTION' },
      { id: versionId, version: 1 },
      { version: 1 },
    ];
    for (const ways of wrong)
      expect((await refused(ways)).extensions.code, JSON.stringify(ways)).toBe('BAD_USER_INPUT');
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
