import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowCaller } from '../support/mlflow.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createExperiment } from '../support/training.js';
import { CreateModelDocument } from '../../schema/generated/operations.js';
import {
  LoggedModelDetailsDocument,
  LoggedModelsDetailsDocument,
  LoggedModelsForLoggedModelDocument,
  RegisterModelVersionDetailsDocument,
  RegisterModelVersionIdPathDocument,
  RunDirectionStepIdDocument,
  RunsForLoggedModelDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let mlflow: MlflowCaller;
let experimentId: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  mlflow = await MlflowCaller.of(service);
  experimentId = await createExperiment(tess);
});
afterAll(() => service?.close());

const hex = (id: string) => id.replaceAll('-', '');
const uuid = (id: string) => id.replace(/^(?:m-)?(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

const newRun = async () => uuid(await mlflow.newRun({ experiment_id: hex(experimentId) }));

/** As the MLflow client logs one. */
async function logModel(given: object = {}, inExperiment = experimentId): Promise<string> {
  const { model } = await mlflow.post<{ model: { info: { model_id: string } } }>('logged-models', {
    experiment_id: hex(inExperiment),
    name: 'tree',
    ...given,
  });
  return uuid(model.info.model_id);
}

async function put(owner: string, path: string, body: string, inExperiment = experimentId): Promise<void> {
  const url = `${service.url}/api/2.0/mlflow-artifacts/artifacts/${hex(inExperiment)}/${owner}/artifacts/${path}`;
  const { status } = await fetch(url, { method: 'PUT', headers: { authorization: `Bearer ${mlflow.token}` }, body });
  expect(status).toBe(200);
}

const list = async (variables: object) => (await tess.ok(LoggedModelsDetailsDocument, { ...variables })).loggedModels;
const idsOf = async (filter: object) => (await list({ filter })).nodes.map(({ id }) => id);

describe('logged models', () => {
  it('are shown with all their logged data, and with the versions made from them', async () => {
    const runId = await newRun();
    const id = await logModel({
      source_run_id: hex(runId),
      model_type: 'agent',
      params: [{ key: 'depth', value: '3' }],
      tags: [{ key: 'team', value: 'air' }],
    });
    await put(`models/m-${hex(id)}`, 'MLmodel', 'flavors:\n  sklearn: {}\n');
    await put(`models/m-${hex(id)}`, 'data/x.txt', 'x');
    const log = (key: string, value: number | string, timestamp: number, step: number, dataset: object = {}) =>
      mlflow.post('runs/log-metric', {
        run_id: hex(runId),
        key,
        value,
        timestamp,
        step,
        model_id: `m-${hex(id)}`,
        ...dataset,
      });
    await log('acc', 0.5, 1_000, 0);
    await log('acc', 0.75, 2_000, 1);
    await log('acc', 0.9, 1_500, 1, { dataset_name: 'cars', dataset_digest: 'abc' });
    await log('loss', 'NaN', 1_000, 0);
    await mlflow.ok('PATCH', `logged-models/m-${hex(id)}`, { status: 'LOGGED_MODEL_READY' });
    const { createModel } = await tess.ok(CreateModelDocument, {
      input: { name: 'trees', modelType: 'TREE', task: 'OTHER' },
    });
    const { registerModelVersion } = await tess.ok(RegisterModelVersionDetailsDocument, {
      input: { modelId: createModel.model.id, loggedModelId: id },
    });
    const files = [{ path: 'MLmodel' }, { path: 'data/x.txt' }];
    expect(registerModelVersion.modelVersion).toMatchObject({
      sourceUri: `models:/m-${hex(id)}`,
      loggedModel: { id, name: 'tree' },
      sourceFolder: { path: '', run: null, loggedModel: { id }, artifacts: files },
    });
    const { loggedModel } = await tess.ok(LoggedModelDetailsDocument, { id });
    const at = (timeMs: number) => new Date(timeMs).toISOString();
    const plain = { datasetName: null, datasetDigest: null, run: { id: runId } };
    expect(loggedModel).toEqual({
      id,
      mlflowId: `m-${hex(id)}`,
      name: 'tree',
      status: 'READY',
      statusMessage: null,
      modelType: 'agent',
      createdBy: 'tess',
      deletedAt: null,
      experiment: { id: experimentId },
      run: { id: runId },
      params: [{ key: 'depth', value: '3' }],
      tags: [{ key: 'team', value: 'air' }],
      artifacts: [
        { path: 'MLmodel', sizeBytes: 23 },
        { path: 'data/x.txt', sizeBytes: 1 },
      ],
      versions: [{ id: registerModelVersion.modelVersion.id, version: 1, model: { name: 'trees' } }],
      metrics: [
        { ...plain, key: 'acc', value: 0.75, step: 1, loggedAt: at(2_000) },
        { ...plain, key: 'acc', value: 0.9, step: 1, loggedAt: at(1_500), datasetName: 'cars', datasetDigest: 'abc' },
        { ...plain, key: 'loss', value: 'NaN', step: 0, loggedAt: at(1_000) },
      ],
      acc: [{ value: 0.5 }, { value: 0.9 }, { value: 0.75 }],
      none: [],
    });
  });

  it('show the folder of a run from which a version was made', async () => {
    const runId = await newRun();
    for (const path of ['model/MLmodel', 'model/data/w.bin', 'modelling.txt'])
      await put(hex(runId), path, 'flavors:\n  sklearn: {}\n');
    const { createModel } = await tess.ok(CreateModelDocument, {
      input: { name: 'of a folder', modelType: 'TREE', task: 'OTHER' },
    });
    const { registerModelVersion } = await tess.ok(RegisterModelVersionIdPathDocument, {
      input: { modelId: createModel.model.id, runId, artifactPath: 'model' },
    });
    expect(registerModelVersion).toEqual({
      modelVersion: {
        loggedModel: null,
        sourceFolder: {
          path: 'model',
          run: { id: runId },
          loggedModel: null,
          artifacts: [{ path: 'model/MLmodel' }, { path: 'model/data/w.bin' }],
        },
      },
    });
  });

  it('are shown by the run that created or read them', async () => {
    const [maker, reader] = [await newRun(), await newRun()];
    const made = await logModel({ source_run_id: hex(maker) });
    const steps = await logModel();
    const link = (path: string, runId: string, models: object[]) => mlflow.post(path, { run_id: hex(runId), models });
    await link('runs/outputs', maker, [
      { model_id: `m-${hex(steps)}`, step: 1 },
      { model_id: `m-${hex(steps)}`, step: 2 },
    ]);
    await link('runs/log-inputs', reader, [{ model_id: `m-${hex(made)}` }]);
    const of = async (id: string) => (await tess.ok(RunDirectionStepIdDocument, { id })).run.loggedModels;
    const all = [
      { direction: 'OUTPUT', step: 0, loggedModel: { id: made } },
      { direction: 'OUTPUT', step: 1, loggedModel: { id: steps } },
      { direction: 'OUTPUT', step: 2, loggedModel: { id: steps } },
    ];
    expect(await of(maker)).toEqual(all);
    // If its code says it twice, there is still one link.
    await link('runs/outputs', maker, [{ model_id: `m-${hex(made)}`, step: 0 }]);
    expect(await of(maker)).toEqual(all);
    expect(await of(reader)).toEqual([{ direction: 'INPUT', step: 0, loggedModel: { id: made } }]);
    expect((await idsOf({ runId: maker })).sort()).toEqual([made, steps].sort());
    expect(await idsOf({ runId: reader })).toEqual([]);
    await mlflow.ok('DELETE', `logged-models/m-${hex(made)}`);
    expect(await of(reader)).toEqual([]);
    expect(await idsOf({ runId: maker })).toEqual([steps]);
    const { loggedModel } = await tess.ok(LoggedModelDetailsDocument, { id: made });
    expect(loggedModel.deletedAt).not.toBeNull();
    const { createModel } = await tess.ok(CreateModelDocument, {
      input: { name: 'of the deleted', modelType: 'TREE', task: 'OTHER' },
    });
    const refused = await tess.fails(RegisterModelVersionDetailsDocument, {
      input: { modelId: createModel.model.id, loggedModelId: made },
    });
    expect(refused.extensions).toMatchObject({ code: 'CONFLICT', field: 'input.loggedModelId' });
  });

  it('are found by experiment, name, state and kind, in pages of any order', async () => {
    const apart = await createExperiment(tess);
    const names = ['b', 'a', 'C_1', 'c%2'];
    const ids: string[] = [];
    for (const name of names)
      ids.push(await logModel({ name: `x-${name}`.replace('%', 'é'), model_type: `kind of ${name}` }, apart));
    await mlflow.ok('PATCH', `logged-models/m-${hex(ids[1]!)}`, { status: 'LOGGED_MODEL_READY' });
    const filter = { experimentIds: [apart] };
    expect(await idsOf(filter)).toEqual(ids.toReversed());
    expect(await idsOf({ ...filter, search: 'X-C' })).toEqual([ids[3], ids[2]]);
    expect(await idsOf({ ...filter, search: 'c_1' })).toEqual([ids[2]]);
    expect(await idsOf({ ...filter, search: 'b_' })).toEqual([]);
    expect(await idsOf({ ...filter, status: ['READY'] })).toEqual([ids[1]]);
    expect(await idsOf({ ...filter, status: ['READY', 'PENDING'], modelType: 'kind of b' })).toEqual([ids[0]]);
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await list({ filter, orderBy: { field: 'NAME', direction: 'ASC' }, first: 3, after });
      expect(page.totalCount).toBe(4);
      seen.push(...page.nodes.map(({ name }) => name));
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
    } while (after);
    expect(seen).toHaveLength(4);
    expect(new Set(seen).size).toBe(4);
    for (const [bad, code] of [
      [{ experimentIds: [apart, ids[0]] }, 'NOT_FOUND'],
      [{ runId: apart }, 'NOT_FOUND'],
      [{ search: 'x'.repeat(201) }, 'BAD_USER_INPUT'],
    ] as const)
      expect((await tess.fails(LoggedModelsDetailsDocument, { filter: bad })).extensions.code).toBe(code);
    const other = await service.as({ tenant: 'globex' });
    expect((await other.ok(LoggedModelsDetailsDocument)).loggedModels.totalCount).toBe(0);
    expect((await other.fails(LoggedModelDetailsDocument, { id: ids[0] })).extensions.code).toBe('NOT_FOUND');
  });

  it('need the same few statements for one as for many', async () => {
    const apart = await createExperiment(tess);
    const { createModel } = await tess.ok(CreateModelDocument, {
      input: { name: 'of many', modelType: 'TREE', task: 'OTHER' },
    });
    for (let i = 0; i < 4; i++) {
      const runId = uuid(await mlflow.newRun({ experiment_id: hex(apart) }));
      const id = await logModel({ source_run_id: hex(runId) }, apart);
      const metric = { run_id: hex(runId), key: 'acc', value: i, timestamp: 1, model_id: `m-${hex(id)}` };
      await mlflow.post('runs/log-metric', metric);
      await put(`models/m-${hex(id)}`, 'MLmodel', 'flavors: {}', apart);
      await tess.ok(RegisterModelVersionDetailsDocument, {
        input: { modelId: createModel.model.id, loggedModelId: id },
      });
    }
    const filter = { experimentIds: [apart] };
    const cost = async (ask: () => Promise<object>) => {
      service.statements.length = 0;
      expect(JSON.stringify(await ask())).toContain('MLmodel');
      return service.statements.filter(
        (text) => /^(select|with)/i.test(text) && /logged_model|artifact|\brun\b|experiment|model_version/.test(text),
      ).length;
    };
    const costsOf = async (first: number) => [
      await cost(() => tess.ok(LoggedModelsForLoggedModelDocument, { filter, first })),
      await cost(() => tess.ok(RunsForLoggedModelDocument, { filter, first })),
    ];
    const counts = await costsOf(1);
    expect(await costsOf(4)).toEqual(counts);
    console.log(
      `logged models with all that belongs to them: ${counts[0]} statements; of runs: ${counts[1]}; however many`,
    );
  });
});
