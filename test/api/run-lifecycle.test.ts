import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import { createRun, mutate, query, refused } from '../support/tracking.js';
import { createExperiment, registerDataset, startTraining, CARS_CONFIG, vegaPath } from '../support/training.js';
import type { TypedDocument } from '../../schema/typed-document.js';
import { CreateRunDocument, SearchRunsDocument, SetRunTagsDocument } from '../../schema/generated/operations.js';
import {
  CancelJobDetailsDocument,
  CloneRunDetailsDocument,
  CloneRunNameDocument,
  CreateExperimentDetailsDocument,
  DeleteExperimentDetailsDocument,
  DeleteExperimentTagDetailsDocument,
  DeleteRunDeletedAtDocument,
  DeleteRunDetailsDocument,
  DeleteRunStateDeletedAtDocument,
  DeleteRunTagDetailsDocument,
  FinishRunDetailsDocument,
  LogArtifactDetailsDocument,
  LogMetricsDetailsDocument,
  LogParamsDetailsDocument,
  LogRunDatasetsDetailsDocument,
  RestoreExperimentDetailsDocument,
  RestoreRunDetailsDocument,
  ResumeRunDetailsDocument,
  ResumeTrainingDetailsDocument,
  type RunFilterInput,
  RunChildCountDocument,
  RunChildrenDocument,
  RunDescriptionTagsDocument,
  RunForRunLifecycleDocument,
  RunNameDocument,
  RunParentDocument,
  RunParentTagsDocument,
  RunStateAndContentsDocument,
  RunsFamilyDocument,
  SetExperimentTagsDetailsDocument,
  SetRunTagsDetailsDocument,
  UpdateExperimentDescriptionTagsDocument,
  UpdateExperimentDetailsDocument,
  type UpdateExperimentInput,
  UpdateRunDetailsDocument,
  UpdateRunStatusEndedAtDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

const read = async <Run>(document: TypedDocument<{ run: Run }, { id: string }>, id: string): Promise<Run> =>
  (await tess.ok(document, { id })).run;

const listed = async (filter: RunFilterInput): Promise<string[]> => {
  const { runs } = await tess.ok(SearchRunsDocument, { filter, orderBy: [{ field: 'CREATED_AT', direction: 'ASC' }] });
  return runs.nodes.map(({ id }) => id);
};

describe('nested runs', () => {
  it('show their parent and their children, page by page', async () => {
    const experimentId = await createExperiment(tess);
    const parent = await createRun(tess, { experimentId, name: 'sweep' });
    const children: string[] = [];
    for (let i = 0; i < 5; i++)
      children.push(await createRun(tess, { experimentId, name: `trial-${i}`, parentRunId: parent }));
    const { children: first } = await read(RunChildrenDocument, parent);
    expect(first).toMatchObject({
      nodes: [{ name: 'trial-4', parent: { name: 'sweep' } }, { name: 'trial-3' }],
      totalCount: 5,
    });
    const { run } = await tess.ok(RunForRunLifecycleDocument, { id: parent, after: first.pageInfo.endCursor });
    expect(run.children).toEqual({
      nodes: [{ name: 'trial-2' }, { name: 'trial-1' }, { name: 'trial-0' }],
      pageInfo: { hasNextPage: false },
    });
    expect(await listed({ parentRunId: parent })).toEqual(children);
    await mutate(tess, DeleteRunDetailsDocument, { runId: children[0]! });
    expect(await listed({ parentRunId: parent })).toEqual(children.slice(1));
    expect(await read(RunChildCountDocument, parent)).toEqual({ children: { totalCount: 4 } });
  });

  it('need the same few statements for one parent as for many', async () => {
    const experimentId = await createExperiment(tess);
    for (let i = 0; i < 4; i++)
      await createRun(tess, { experimentId, parentRunId: await createRun(tess, { experimentId }) });
    const count = async (first: number) => {
      service.statements.length = 0;
      await tess.ok(RunsFamilyDocument, {
        first,
      });
      return service.statements.filter((sql) => /^select/i.test(sql) && /\brun(_tag)?\b/.test(sql)).length;
    };
    expect(await count(8)).toBe(await count(2));
  });

  it('use MLflow’s tag, and never make a cycle', async () => {
    const [a, b] = [await createRun(tess, { name: 'a' }), await createRun(tess, { name: 'b' })];
    const hex = (id: string) => id.replaceAll('-', '');
    const tag = (runId: string, value: string) =>
      mutate(tess, SetRunTagsDetailsDocument, { runId, tags: [{ key: 'mlflow.parentRunId', value }] });
    await tag(b, hex(a));
    expect(await read(RunParentTagsDocument, b)).toEqual({ parent: { id: a }, tags: [] });
    await tag(a, hex(b));
    expect(await read(RunParentDocument, a)).toEqual({ parent: null });
    await tag(a, hex(a));
    expect(await read(RunParentDocument, a)).toEqual({ parent: null });
    await mutate(tess, DeleteRunTagDetailsDocument, { runId: b, key: 'mlflow.parentRunId' });
    expect(await read(RunParentDocument, b)).toEqual({ parent: null });
    const other = await service.as({ tenant: 'other' });
    const foreign = await createRun(other);
    await tag(b, hex(foreign));
    expect(await read(RunParentDocument, b)).toEqual({ parent: null });
    const experimentId = await createExperiment(tess);
    expect((await refused(tess, CreateRunDocument, { experimentId, parentRunId: foreign })).extensions.code).toBe(
      'NOT_FOUND',
    );
  });

  it('are named by MLflow’s tag as well', async () => {
    const experimentId = await createExperiment(tess);
    const id = await createRun(tess, { experimentId, tags: [{ key: 'mlflow.runName', value: 'tagged' }] });
    expect(await read(RunNameDocument, id)).toEqual({ name: 'tagged' });
    await mutate(tess, SetRunTagsDetailsDocument, { runId: id, tags: [{ key: 'mlflow.runName', value: 'again' }] });
    expect(await read(RunNameDocument, id)).toEqual({ name: 'again' });
    await mutate(tess, UpdateRunDetailsDocument, { runId: id, name: 'third' });
    expect(
      await query(service, `select value from run_tag where run_id = $1 and key = 'mlflow.runName'`, [id]),
    ).toEqual([{ value: 'third' }]);
    const error = await refused(tess, CreateRunDocument, {
      experimentId,
      name: 'x',
      tags: [{ key: 'mlflow.runName', value: 'y' }],
    });
    expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.name' });
    const blank = await refused(tess, SetRunTagsDocument, { runId: id, tags: [{ key: 'mlflow.runName', value: '' }] });
    expect(blank.extensions.code).toBe('BAD_USER_INPUT');
  });
});

describe('a run that has ended', () => {
  it('continues after resumeRun and ends again', async () => {
    const id = await createRun(tess);
    expect((await refused(tess, ResumeRunDetailsDocument, { runId: id })).extensions).toMatchObject({
      code: 'CONFLICT',
    });
    await mutate(tess, FinishRunDetailsDocument, { runId: id, status: 'FAILED' });
    const { run } = await mutate(tess, ResumeRunDetailsDocument, { runId: id });
    expect(run).toEqual({ status: 'RUNNING', endedAt: null });
    await mutate(tess, LogMetricsDetailsDocument, { runId: id, metrics: [{ key: 'loss', value: 1 }] });
    const endedAt = '2026-01-02T03:04:05.000Z';
    const updated = await mutate(tess, UpdateRunStatusEndedAtDocument, { runId: id, status: 'FINISHED', endedAt });
    expect(updated.run).toEqual({ status: 'FINISHED', endedAt });
  });

  it('is not resumed when it is a training of this service', async () => {
    const experimentId = await createExperiment(tess);
    const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
    const config = {
      ...CARS_CONFIG,
      hyperparameters: { epochs: 10_000, batchSize: 64, learningRate: 0.01, hiddenLayers: [4] },
    };
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config });
    for (const [document, input] of [
      [DeleteRunDetailsDocument, { runId }],
      [DeleteExperimentDetailsDocument, { id: experimentId }],
    ] as const) {
      const error = await refused(tess, document, input);
      expect(error.extensions).toMatchObject({ code: 'CONFLICT', got: `training ${jobId}` });
    }
    await mutate(tess, CancelJobDetailsDocument, { jobId });
    expect((await refused(tess, ResumeRunDetailsDocument, { runId })).message).toContain('resumeTraining');
    await mutate(tess, DeleteRunDetailsDocument, { runId });
    expect((await refused(tess, ResumeTrainingDetailsDocument, { jobId })).extensions.code).toBe('CONFLICT');
    await mutate(tess, RestoreRunDetailsDocument, { runId });
    await mutate(tess, ResumeTrainingDetailsDocument, { jobId });
    await mutate(tess, CancelJobDetailsDocument, { jobId });
  });

  it('is cloned with parameters, tags, notes, source and datasets, not with results', async () => {
    const experimentId = await createExperiment(tess);
    const datasetId = await registerDataset(tess, { name: 'cars-too', path: vegaPath('cars.json') });
    const id = await createRun(tess, {
      experimentId,
      name: 'original',
      description: '# why',
      source: { name: 'train.py', gitCommit: 'abc', type: 'LOCAL' },
      params: [{ key: 'lr', value: '0.1' }],
      tags: [{ key: 'team', value: 'a' }],
    });
    await mutate(tess, LogRunDatasetsDetailsDocument, { runId: id, datasets: [{ datasetId, context: 'training' }] });
    await mutate(tess, LogMetricsDetailsDocument, { runId: id, metrics: [{ key: 'loss', value: 1 }] });
    const { run } = await mutate(tess, CloneRunDetailsDocument, { runId: id });
    expect(run).toMatchObject({
      name: 'original',
      status: 'RUNNING',
      description: '# why',
      source: { name: 'train.py', gitCommit: 'abc', user: null },
      clonedFrom: { id },
      params: [{ key: 'lr', value: '0.1' }],
      metrics: [],
      loggedDatasets: [{ name: 'cars-too', context: 'training', dataset: { id: datasetId } }],
    });
    expect(run['tags']).toContainEqual({ key: 'team', value: 'a' });
    const bare = await mutate(tess, CloneRunNameDocument, { runId: id, withDatasets: false, name: 'bare' });
    expect(bare.run).toEqual({ name: 'bare', loggedDatasets: [] });
  });
});

describe('notes', () => {
  it('of a run are MLflow’s tag', async () => {
    const id = await createRun(tess);
    await mutate(tess, UpdateRunDetailsDocument, { runId: id, description: 'a note' });
    expect(await read(RunDescriptionTagsDocument, id)).toEqual({
      description: 'a note',
      tags: [{ key: 'mlflow.note.content', value: 'a note' }],
    });
    await mutate(tess, UpdateRunDetailsDocument, { runId: id, description: '' });
    expect(await read(RunDescriptionTagsDocument, id)).toEqual({ description: '', tags: [] });
  });

  it('of an experiment are kept equal to MLflow’s tag', async () => {
    const id = await createExperiment(tess);
    const change = (input: Omit<UpdateExperimentInput, 'id'>) =>
      mutate(tess, UpdateExperimentDescriptionTagsDocument, { id, ...input });
    const tags = [{ key: 'team', value: 'a' }];
    expect((await change({ description: 'about', tags })).experiment).toEqual({ description: 'about', tags });
    expect((await change({ tags: [] })).experiment).toEqual({ description: 'about', tags: [] });
    expect(await query(service, `select tags from experiment where id = $1`, [id])).toEqual([
      { tags: { 'mlflow.note.content': 'about' } },
    ]);
    const byTag = await change({ tags: [{ key: 'mlflow.note.content', value: 'by tag' }] });
    expect(byTag.experiment).toEqual({ description: 'by tag', tags: [] });
  });

  it('of an experiment accept tags one by one, and keep the others', async () => {
    const experimentId = await createExperiment(tess);
    const set = (key: string, value: string) =>
      mutate(tess, SetExperimentTagsDetailsDocument, { experimentId, tags: [{ key, value }] });
    await Promise.all(['a', 'b', 'c'].map((key) => set(key, '1')));
    await set('a', '2');
    const { experiment } = await mutate(tess, DeleteExperimentTagDetailsDocument, { experimentId, key: 'b' });
    expect(experiment.tags.toSorted((x, y) => (x.key < y.key ? -1 : 1))).toEqual([
      { key: 'a', value: '2' },
      { key: 'c', value: '1' },
    ]);
    expect((await refused(tess, DeleteExperimentTagDetailsDocument, { experimentId, key: 'b' })).extensions.code).toBe(
      'NOT_FOUND',
    );
  });
});

describe('deleted runs', () => {
  it('are not in lists, refuse every write with CONFLICT, and are restored completely', async () => {
    const experimentId = await createExperiment(tess);
    const runId = await createRun(tess, { experimentId, tags: [{ key: 'k', value: 'v' }] });
    const { uploadId } = await tess.upload('a.txt', 'a');
    const { run } = await mutate(tess, DeleteRunStateDeletedAtDocument, { runId });
    expect(run).toMatchObject({ state: 'DELETED', deletedAt: expect.any(String) });
    expect(await listed({ experimentIds: [experimentId] })).toEqual([]);
    expect(await listed({ experimentIds: [experimentId], states: ['DELETED'] })).toEqual([runId]);
    expect(await listed({ experimentIds: [experimentId], states: ['DELETED', 'ACTIVE'] })).toEqual([runId]);
    const again = await mutate(tess, DeleteRunDeletedAtDocument, { runId });
    expect(again.run).toEqual({ deletedAt: run.deletedAt });
    const writes = [
      [LogMetricsDetailsDocument, { runId, metrics: [{ key: 'loss', value: 1 }] }],
      [LogParamsDetailsDocument, { runId, params: [{ key: 'a', value: 'b' }] }],
      [SetRunTagsDetailsDocument, { runId, tags: [{ key: 'a', value: 'b' }] }],
      [DeleteRunTagDetailsDocument, { runId, key: 'k' }],
      [FinishRunDetailsDocument, { runId, status: 'FINISHED' }],
      [UpdateRunDetailsDocument, { runId, name: 'x' }],
      [ResumeRunDetailsDocument, { runId }],
      [
        LogRunDatasetsDetailsDocument,
        { runId, datasets: [{ name: 'd', digest: '1', sourceType: 'local', source: '' }] },
      ],
      [LogArtifactDetailsDocument, { runId, path: 'a.txt', uploadId }],
    ] as const;
    for (const [document, input] of writes) {
      const { extensions } = await refused(tess, document, input);
      expect(extensions, document.toString()).toMatchObject({
        code: 'CONFLICT',
        expected: 'an active run',
        got: 'DELETED',
      });
    }
    await mutate(tess, RestoreRunDetailsDocument, { runId });
    expect(await read(RunStateAndContentsDocument, runId)).toEqual({
      ...{ state: 'ACTIVE', deletedAt: null, status: 'RUNNING', tags: [{ key: 'k' }], metrics: [], artifacts: [] },
    });
    await mutate(tess, LogMetricsDetailsDocument, { runId, metrics: [{ key: 'loss', value: 1 }] });
  });
});

describe('deleted experiments', () => {
  it('are deleted with their active runs, and exactly these are restored', async () => {
    const { experiment } = await mutate(tess, CreateExperimentDetailsDocument, { name: 'taken' });
    const { id } = experiment;
    const before = await createRun(tess, { experimentId: id });
    const kept = [await createRun(tess, { experimentId: id }), await createRun(tess, { experimentId: id })];
    await mutate(tess, DeleteRunDetailsDocument, { runId: before });
    await mutate(tess, DeleteExperimentDetailsDocument, { id });
    expect(await listed({ experimentIds: [id] })).toEqual([]);
    expect(await listed({ experimentIds: [id], states: ['DELETED'] })).toEqual([before, ...kept]);
    expect((await refused(tess, DeleteExperimentDetailsDocument, { id })).extensions).toMatchObject({
      code: 'CONFLICT',
      got: 'DELETED',
    });
    expect((await refused(tess, UpdateExperimentDetailsDocument, { id, name: 'other' })).extensions).toMatchObject({
      code: 'CONFLICT',
    });
    expect((await refused(tess, CreateRunDocument, { experimentId: id })).extensions).toMatchObject({
      field: 'input.experimentId',
    });
    const taken = await refused(tess, CreateExperimentDetailsDocument, { name: 'taken' });
    expect(taken.message).toContain('deleted');
    await mutate(tess, RestoreExperimentDetailsDocument, { id });
    expect((await refused(tess, RestoreExperimentDetailsDocument, { id })).extensions).toMatchObject({
      code: 'CONFLICT',
      got: 'ACTIVE',
    });
    expect(await listed({ experimentIds: [id] })).toEqual(kept);
  });

  it('get no new run, whatever the order of the two calls', async () => {
    for (let i = 0; i < 10; i++) {
      const id = await createExperiment(tess);
      const create = tess.send(CreateRunDocument, { input: { experimentId: id } });
      const remove = mutate(tess, DeleteExperimentDetailsDocument, { id });
      await Promise.all([create, remove]);
      expect(await listed({ experimentIds: [id] })).toEqual([]);
    }
  });
});
