import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowCaller, type MlflowRun } from '../support/mlflow.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let tess: MlflowCaller;

beforeAll(async () => {
  service = await startTestService();
  tess = await MlflowCaller.of(service);
});
afterAll(() => service?.close());

interface ExperimentShape {
  experiment_id: string;
  name: string;
  lifecycle_stage: string;
  artifact_location: string;
  tags?: { key: string; value: string }[];
}

const experiment = async (id: string) =>
  (await tess.get<{ experiment: ExperimentShape }>('experiments/get', { experiment_id: id })).experiment;

describe('experiments of the MLflow protocol', () => {
  it('begin with the default one of each tenant', async () => {
    expect(await experiment('0')).toMatchObject({ name: 'Default', lifecycle_stage: 'active', artifact_location: 'mlflow-artifacts:/0' });
    const other = await MlflowCaller.of(service, { tenant: 'globex' });
    await other.post('experiments/set-experiment-tag', { experiment_id: '0', key: 'mine', value: '1' });
    expect((await experiment('0')).tags).toBeUndefined();
  });

  it('are made, found by name, renamed, tagged, deleted and restored with their runs', async () => {
    const { experiment_id: id } = await tess.post<{ experiment_id: string }>('experiments/create', {
      name: 'churn',
      tags: [{ key: 'team', value: 'growth' }],
    });
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    const named = await tess.get<{ experiment: ExperimentShape }>('experiments/get-by-name', { experiment_name: 'churn' });
    expect(named.experiment).toMatchObject({
      experiment_id: id,
      artifact_location: `mlflow-artifacts:/${id}`,
      tags: [{ key: 'team', value: 'growth' }],
    });
    await tess.post('experiments/update', { experiment_id: id, new_name: 'churn 2' });
    await tess.post('experiments/set-experiment-tag', { experiment_id: id, key: 'k', value: 'v' });
    await tess.post('experiments/delete-experiment-tag', { experiment_id: id, key: 'team' });
    expect(await experiment(id)).toMatchObject({ name: 'churn 2', tags: [{ key: 'k', value: 'v' }] });

    const runId = await tess.newRun({ experiment_id: id });
    await tess.post('experiments/delete', { experiment_id: id });
    expect((await experiment(id)).lifecycle_stage).toBe('deleted');
    expect((await tess.run(runId)).info.lifecycle_stage).toBe('deleted');
    expect(await tess.fails('POST', 'experiments/delete', { experiment_id: id })).toMatchObject({
      status: 404,
      error_code: 'RESOURCE_DOES_NOT_EXIST',
    });
    expect(await tess.fails('POST', 'runs/create', { experiment_id: id })).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
      message: `The experiment ${id} must be in the 'active' state. Current state is deleted.`,
    });
    await tess.post('experiments/restore', { experiment_id: id });
    expect((await tess.run(runId)).info.lifecycle_stage).toBe('active');
    expect(await tess.fails('POST', 'experiments/restore', { experiment_id: id })).toMatchObject({ status: 404 });
  });

  it('have names of their own', async () => {
    expect(await tess.fails('POST', 'experiments/create', { name: 'Default' })).toMatchObject({
      status: 400,
      error_code: 'RESOURCE_ALREADY_EXISTS',
      message: expect.stringContaining('Experiment(name=Default) already exists.'),
    });
    expect(await tess.fails('GET', 'experiments/get-by-name', { experiment_name: 'nobody' })).toMatchObject({
      status: 404,
      message: "Could not find experiment with name 'nobody'",
    });
  });
});

describe('runs of the MLflow protocol', () => {
  it('keep what a client says of them', async () => {
    const { run } = await tess.post<{ run: MlflowRun }>('runs/create', {
      experiment_id: '0',
      start_time: 1_700_000_000_123,
      run_name: 'first',
      user_id: 'ann',
      tags: [
        { key: 'mlflow.user', value: 'ann' },
        { key: 'mlflow.source.name', value: 'train.py' },
      ],
    });
    const { info } = run;
    expect(info).toEqual({
      run_uuid: info.run_id,
      run_id: info.run_id,
      experiment_id: '0',
      run_name: 'first',
      user_id: 'ann',
      status: 'RUNNING',
      start_time: 1_700_000_000_123,
      artifact_uri: `mlflow-artifacts:/0/${info.run_id}/artifacts`,
      lifecycle_stage: 'active',
    });
    expect(run.data.tags).toEqual([
      { key: 'mlflow.runName', value: 'first' },
      { key: 'mlflow.source.name', value: 'train.py' },
      { key: 'mlflow.user', value: 'ann' },
    ]);
    const { run_info: ended } = await tess.post<{ run_info: MlflowRun['info'] }>('runs/update', {
      run_id: info.run_id,
      status: 'FINISHED',
      end_time: 1_700_000_001_000,
      run_name: 'second',
    });
    expect(ended).toMatchObject({ status: 'FINISHED', end_time: 1_700_000_001_000, run_name: 'second', user_id: 'ann' });
    expect((await tess.run(info.run_id)).data.tags).toContainEqual({ key: 'mlflow.runName', value: 'second' });
    await tess.post('runs/set-tag', { run_id: info.run_id, key: 'mlflow.runName', value: 'third' });
    expect((await tess.run(info.run_id)).info['run_name']).toBe('third');
  });

  it('get a name when they are given none, and refuse two', async () => {
    const runId = await tess.newRun();
    expect((await tess.run(runId)).info['run_name']).toMatch(/^[a-z]+-[a-z]+-\d+$/);
    expect(
      await tess.fails('POST', 'runs/create', { experiment_id: '0', run_name: 'a', tags: [{ key: 'mlflow.runName', value: 'b' }] }),
    ).toMatchObject({ error_code: 'INVALID_PARAMETER_VALUE', message: expect.stringContaining('but with different values') });
  });

  it('have the statuses of MLflow', async () => {
    const runId = await tess.newRun();
    for (const [sent, shown] of [
      ['SCHEDULED', 'SCHEDULED'],
      [1, 'RUNNING'],
      ['KILLED', 'KILLED'],
      [4, 'FAILED'],
    ]) {
      const { run_info: info } = await tess.post<{ run_info: MlflowRun['info'] }>('runs/update', { run_id: runId, status: sent });
      expect(info.status).toBe(shown);
    }
    expect(await tess.fails('POST', 'runs/update', { run_id: runId, status: 'QUEUED' })).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
    });
  });

  it('nest, and are deleted and restored', async () => {
    const parent = await tess.newRun();
    const child = await tess.newRun({ tags: [{ key: 'mlflow.parentRunId', value: parent }] });
    expect((await tess.run(child)).data.tags).toContainEqual({ key: 'mlflow.parentRunId', value: parent });
    await tess.post('runs/delete', { run_id: child });
    expect(await tess.fails('POST', 'runs/set-tag', { run_id: child, key: 'x', value: 'y' })).toMatchObject({
      status: 400,
      error_code: 'INVALID_PARAMETER_VALUE',
      message: `The run ${child} must be in the 'active' state. Current state is deleted.`,
    });
    await tess.post('runs/restore', { run_id: child });
    await tess.post('runs/set-tag', { run_id: child, key: 'x', value: 'y' });
  });
});

describe('what is logged through the MLflow protocol', () => {
  it('comes back as MLflow answers it', async () => {
    const runId = await tess.newRun();
    await tess.post('runs/log-metric', { run_id: runId, key: 'loss', value: 0.5, timestamp: 5, step: '-2' });
    await tess.post('runs/log-batch', {
      run_id: runId,
      metrics: [
        { key: 'loss', value: 'NaN', timestamp: '7', step: 3 },
        { key: 'top', value: 'Infinity', timestamp: 1 },
        { key: 'low', value: '-Infinity', timestamp: 1 },
        { key: 'dir/auc', value: '0.75', timestamp: 1, step: null, unknown: 1 },
      ],
      params: [
        { key: 'lr', value: '0.1' },
        { key: 'empty', value: '' },
      ],
      tags: [{ key: 'phase', value: 'x' }],
    });
    await tess.post('runs/log-parameter', { run_id: runId, key: 'depth', value: '3' });
    const { data } = await tess.run(runId);
    expect(data.metrics).toEqual([
      { key: 'dir/auc', value: 0.75, timestamp: 1, step: 0 },
      { key: 'loss', value: 'NaN', timestamp: 7, step: 3 },
      { key: 'low', value: -1.7976931348623157e308, timestamp: 1, step: 0 },
      { key: 'top', value: 1.7976931348623157e308, timestamp: 1, step: 0 },
    ]);
    expect(data.params).toEqual([
      { key: 'depth', value: '3' },
      { key: 'empty', value: '' },
      { key: 'lr', value: '0.1' },
    ]);
    await tess.post('runs/delete-tag', { run_id: runId, key: 'phase' });
    expect(await tess.fails('POST', 'runs/delete-tag', { run_id: runId, key: 'phase' })).toMatchObject({
      status: 404,
      message: `No tag with name: phase in run with id ${runId}`,
    });
  });

  it('is all or nothing', async () => {
    const runId = await tess.newRun();
    await tess.post('runs/log-parameter', { run_id: runId, key: 'lr', value: '0.1' });
    const refused = await tess.fails('POST', 'runs/log-batch', {
      run_id: runId,
      metrics: [{ key: 'm', value: 1, timestamp: 1 }],
      params: [
        { key: 'new', value: '1' },
        { key: 'lr', value: '0.2' },
      ],
      tags: [{ key: 't', value: '1' }],
    });
    expect(refused).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
      message: `Changing param values is not allowed. Params were already logged='[{'key': 'lr', 'old_value': '0.1', 'new_value': '0.2'}]' for run ID='${runId}'.`,
    });
    const { data } = await tess.run(runId);
    expect(data.metrics).toBeUndefined();
    expect(data.params).toEqual([{ key: 'lr', value: '0.1' }]);
  });

  it('pages through a history, each point once', async () => {
    const runId = await tess.newRun();
    const metrics = Array.from({ length: 1_000 }, (_, i) => ({ key: 'm', value: i % 7, timestamp: 1_000 + Math.floor(i / 3), step: i }));
    await tess.post('runs/log-batch', { run_id: runId, metrics });
    // The same again, as a client that lost the answer sends it.
    await tess.post('runs/log-batch', { run_id: runId, metrics });
    interface Page {
      metrics?: { step: number; value: number; timestamp: number }[];
      next_page_token?: string;
    }
    const steps: number[] = [];
    for (let token: string | undefined = ''; token !== undefined;) {
      const page: Page = await tess.get('metrics/get-history', {
        run_id: runId,
        metric_key: 'm',
        max_results: 300,
        ...(token && { page_token: token }),
      });
      steps.push(...(page.metrics ?? []).map(({ step }) => step));
      token = page.next_page_token;
    }
    expect(steps).toEqual(metrics.map(({ step }) => step).sort((a, b) => a - b));
    expect(await tess.get('metrics/get-history', { run_id: runId, metric_key: 'none' })).toEqual({});
    const sampled = await tess.get<Page>('metrics/get-history-bulk-interval', { run_ids: [runId], metric_key: 'm', max_results: 10 });
    expect(sampled.metrics).toHaveLength(10);
    expect([sampled.metrics?.[0]?.step, sampled.metrics?.at(-1)?.step]).toEqual([0, 999]);
    const part = await tess.get<Page>('metrics/get-history-bulk-interval', {
      run_ids: runId,
      metric_key: 'm',
      start_step: 10,
      end_step: 12,
    });
    expect(part.metrics?.map(({ step }) => step)).toEqual([10, 11, 12]);
    const bulk = await tess.get<Page>('metrics/get-history-bulk', { run_id: [runId, 'nobody'], metric_key: 'm', max_results: 4 });
    expect(bulk.metrics).toHaveLength(4);
  });

  it('names datasets that a run read', async () => {
    const runId = await tess.newRun();
    const dataset = { name: 'wine', digest: 'abc', source_type: 'local', source: '{"uri":"wine.csv"}', profile: '{"num_rows":3}' };
    await tess.post('runs/log-inputs', {
      run_id: runId,
      datasets: [{ dataset, tags: [{ key: 'mlflow.data.context', value: 'training' }] }],
    });
    expect((await tess.run(runId)).inputs).toEqual({
      dataset_inputs: [{ tags: [{ key: 'mlflow.data.context', value: 'training' }], dataset }],
    });
  });

  it('remembers models logged the old way', async () => {
    const runId = await tess.newRun();
    const model = {
      artifact_path: 'm',
      flavors: { sklearn: { a: 1, config: 2 } },
      utc_time_created: 'now',
      run_id: runId,
      model_uuid: 'u',
      x: 1,
    };
    await tess.post('runs/log-model', { run_id: runId, model_json: JSON.stringify(model) });
    await tess.post('runs/log-model', { run_id: runId, model_json: JSON.stringify({ ...model, artifact_path: 'n' }) });
    const tag = (await tess.run(runId)).data.tags?.find(({ key }) => key === 'mlflow.log-model.history');
    const entry = { run_id: runId, artifact_path: 'm', utc_time_created: 'now', model_uuid: 'u', flavors: { sklearn: { a: 1 } } };
    expect(JSON.parse(tag?.value ?? '')).toEqual([entry, { ...entry, artifact_path: 'n' }]);
    expect(await tess.fails('POST', 'runs/log-model', { run_id: runId, model_json: '{}' })).toMatchObject({
      message: expect.stringContaining('missing mandatory fields'),
    });
  });
});

describe('logged models', () => {
  interface ModelShape {
    info: Record<string, unknown> & { model_id: string };
    data: { params?: unknown[]; metrics?: unknown[] };
  }

  it('are made, finished, tagged, measured and deleted', async () => {
    const runId = await tess.newRun();
    const { model } = await tess.post<{ model: ModelShape }>('logged-models', {
      experiment_id: '0',
      name: 'forest',
      model_type: 'classifier',
      source_run_id: runId,
      params: [{ key: 'trees', value: '10' }],
    });
    const id = model.info.model_id;
    expect(model.info).toMatchObject({
      name: 'forest',
      experiment_id: '0',
      status: 'LOGGED_MODEL_PENDING',
      artifact_uri: `mlflow-artifacts:/0/models/${id}/artifacts`,
      model_type: 'classifier',
      source_run_id: runId,
    });
    await tess.ok('PATCH', `logged-models/${id}`, { model_id: id, status: 'LOGGED_MODEL_READY' });
    await tess.ok('PATCH', `logged-models/${id}/tags`, { tags: [{ key: 'a', value: '1' }] });
    await tess.post(`logged-models/${id}/params`, { params: [{ key: 'depth', value: '2' }] });
    await tess.post('runs/log-metric', {
      run_id: runId,
      key: 'acc',
      value: 0.5,
      timestamp: 7,
      model_id: id,
      dataset_name: 'd',
      dataset_digest: 'x',
    });
    await tess.post('runs/outputs', { run_id: runId, models: [{ model_id: id, step: 2 }] });
    await tess.post('runs/log-inputs', { run_id: runId, models: [{ model_id: id }] });
    const shown = (await tess.get<{ model: ModelShape }>(`logged-models/${id}`)).model;
    expect(shown.info).toMatchObject({ status: 'LOGGED_MODEL_READY', tags: [{ key: 'a', value: '1' }] });
    expect(shown.data).toEqual({
      params: [
        { key: 'depth', value: '2' },
        { key: 'trees', value: '10' },
      ],
      metrics: [{ key: 'acc', value: 0.5, timestamp: 7, step: 0, dataset_name: 'd', dataset_digest: 'x', model_id: id, run_id: runId }],
    });
    const run = await tess.run(runId);
    expect(run.data.metrics).toEqual([{ key: 'acc', value: 0.5, timestamp: 7, step: 0 }]);
    expect(run.inputs.model_inputs).toEqual([{ model_id: id }]);
    expect(run.outputs.model_outputs).toEqual([{ model_id: id, step: 2 }]);
    await tess.ok('DELETE', `logged-models/${id}/tags/a`);
    expect(await tess.fails('DELETE', `logged-models/${id}/tags/a`)).toMatchObject({
      status: 404,
      message: `No tag with key 'a' found for model with ID '${id}'.`,
    });
    await tess.ok('DELETE', `logged-models/${id}`);
    expect(await tess.fails('GET', `logged-models/${id}`)).toMatchObject({
      status: 404,
      message: `Logged model with ID '${id}' not found.`,
    });
    expect((await tess.get<{ model: ModelShape }>(`logged-models/${id}`, { allow_deleted: 'true' })).model.info.model_id).toBe(id);
  });
});

describe('searches of the MLflow protocol', () => {
  it('find experiments by name, tags and times, page by page', async () => {
    const team = await MlflowCaller.of(service, { tenant: 'seekers' });
    for (const [name, area] of [
      ['alpha one', 'a'],
      ['alpha two', 'b'],
      ['beta', 'a'],
    ]) {
      await team.post('experiments/create', { name, tags: [{ key: 'area', value: area }] });
    }
    interface Found {
      experiments?: ExperimentShape[];
      next_page_token?: string;
    }
    const names = async (filter: string, more: object = {}) =>
      (await team.post<Found>('experiments/search', { max_results: 10, filter, ...more })).experiments?.map(({ name }) => name);
    expect(await names('')).toHaveLength(4);
    expect(await names("name LIKE 'alpha%'", { order_by: ['name'] })).toEqual(['alpha one', 'alpha two']);
    expect(await names("name ILIKE 'ALPHA%' AND tags.area != 'a'")).toEqual(['alpha two']);
    expect(await names("tag.area = 'a'", { order_by: ['name DESC'] })).toEqual(['beta', 'alpha one']);
    expect(await names("experiment_id = '0'")).toEqual(['Default']);
    expect(await names('creation_time < 5')).toBeUndefined();
    const first = await team.get<Found>('experiments/search', { max_results: 3, order_by: 'name', view_type: 'ALL' });
    expect(first.experiments?.map(({ name }) => name)).toEqual(['Default', 'alpha one', 'alpha two']);
    const second = await team.get<Found>('experiments/search', {
      max_results: 3,
      order_by: 'name',
      page_token: first.next_page_token ?? '',
    });
    expect(second).toMatchObject({ experiments: [{ name: 'beta' }] });
    expect(second.next_page_token).toBeUndefined();
    for (const wrong of [
      { filter: 'nonsense' },
      { filter: "size = 'x'" },
      { max_results: 0 },
      { page_token: 'x' },
      { view_type: 'SOME' },
    ]) {
      expect(await team.fails('POST', 'experiments/search', { max_results: 3, ...wrong })).toMatchObject({
        status: 400,
        error_code: 'INVALID_PARAMETER_VALUE',
      });
    }
  });

  it('find logged models by attributes, params, tags and metrics on datasets', async () => {
    const team = await MlflowCaller.of(service, { tenant: 'modellers' });
    const runId = await team.newRun();
    for (const [name, trees, acc] of [
      ['small', '1', 0.25],
      ['large', '9', 0.75],
      ['none', '5', null],
    ] as const) {
      const { model } = await team.post<{ model: { info: { model_id: string } } }>('logged-models', {
        experiment_id: '0',
        name,
        source_run_id: runId,
        params: [{ key: 'trees', value: trees }],
        tags: [{ key: 'kind', value: name }],
      });
      if (acc === null) continue;
      await team.post('runs/log-metric', {
        run_id: runId,
        key: 'acc',
        value: acc,
        timestamp: 1,
        model_id: model.info.model_id,
        dataset_name: 'wine',
        dataset_digest: 'd1',
      });
    }
    interface Found {
      models?: { info: { name: string } }[];
      next_page_token?: string;
    }
    const names = async (given: object) =>
      (await team.post<Found>('logged-models/search', { experiment_ids: ['0'], ...given })).models?.map(({ info }) => info.name);
    expect(await names({ order_by: [{ field_name: 'metrics.acc', ascending: false }] })).toEqual(['large', 'small', 'none']);
    expect(await names({ filter: 'metrics.acc > 0.5' })).toEqual(['large']);
    expect(await names({ filter: "params.trees = '5'" })).toEqual(['none']);
    expect(await names({ filter: "tags.kind LIKE 's%' AND name = 'small'" })).toEqual(['small']);
    expect(await names({ filter: `source_run_id = '${runId}'`, order_by: [{ field_name: 'name' }] })).toEqual(['large', 'none', 'small']);
    expect(await names({ datasets: [{ dataset_name: 'wine' }], order_by: [{ field_name: 'name' }] })).toEqual(['large', 'small']);
    expect(await names({ datasets: [{ dataset_name: 'wine', dataset_digest: 'other' }] })).toBeUndefined();
    const first = await team.post<Found>('logged-models/search', {
      experiment_ids: ['0'],
      max_results: 2,
      order_by: [{ field_name: 'name' }],
    });
    expect(first.models).toHaveLength(2);
    expect(await names({ page_token: first.next_page_token, max_results: 2, order_by: [{ field_name: 'name' }] })).toEqual(['small']);
    expect(await team.fails('POST', 'logged-models/search', { experiment_ids: ['0'], order_by: [{ field_name: 'secret' }] })).toMatchObject(
      {
        error_code: 'INVALID_PARAMETER_VALUE',
      },
    );
    expect(await tess.post<Found>('logged-models/search', { experiment_ids: ['0'], filter: "name = 'small'" })).toEqual({});
  });
});
