import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../support/embedded.js';
import { MlflowCaller } from '../support/mlflow.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let tess: MlflowCaller;

beforeAll(async () => {
  service = await startTestService();
  tess = await MlflowCaller.of(service);
});
afterAll(() => service?.close());

describe('what is logged through the MLflow protocol', () => {
  it('is returned as MLflow answers it', async () => {
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

  it('may have the names of JavaScript properties', async () => {
    const keys = ['__proto__', 'constructor', 'hasOwnProperty', 'prototype', 'toString'];
    const pairs = keys.map((key) => ({ key, value: `of ${key}` }));
    const runId = await tess.newRun();
    await tess.post('runs/log-batch', {
      run_id: runId,
      metrics: keys.map((key, i) => ({ key, value: i, timestamp: 1, step: 0 })),
      params: pairs,
      tags: pairs,
    });
    await tess.post('runs/set-tag', { run_id: runId, key: '__proto__', value: 'once more' });
    const { data } = await tess.run(runId);
    expect(data.metrics).toEqual(keys.map((key, i) => ({ key, value: i, timestamp: 1, step: 0 })));
    expect(data.params).toEqual(pairs);
    expect(data.tags).toEqual(expect.arrayContaining([{ key: '__proto__', value: 'once more' }, ...pairs.slice(1)]));
    const { experiment_id: experimentId } = await tess.post<{ experiment_id: string }>('experiments/create', {
      name: 'odd',
      tags: pairs,
    });
    await tess.post('experiments/set-experiment-tag', {
      experiment_id: experimentId,
      key: 'constructor',
      value: 'other',
    });
    const { experiment } = await tess.get<{ experiment: { tags: typeof pairs } }>('experiments/get', {
      experiment_id: experimentId,
    });
    expect(experiment.tags).toEqual(
      expect.arrayContaining(pairs.map((pair) => (pair.key === 'constructor' ? { ...pair, value: 'other' } : pair))),
    );
    await tess.post('registered-models/create', { name: 'odd', tags: pairs });
    const { registered_model: model } = await tess.get<{ registered_model: { tags: typeof pairs } }>(
      'registered-models/get',
      {
        name: 'odd',
      },
    );
    expect(model.tags.toSorted((a, b) => (a.key < b.key ? -1 : 1))).toEqual(pairs);
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
      message:
        `Changing param values is not allowed. Params were already logged='[{'key': 'lr', 'old_value': ` +
        `'0.1', 'new_value': '0.2'}]' for run ID='${runId}'.`,
    });
    const { data } = await tess.run(runId);
    expect(data.metrics).toBeUndefined();
    expect(data.params).toEqual([{ key: 'lr', value: '0.1' }]);
  });

  it('pages through a history, each point once', async () => {
    const runId = await tess.newRun();
    const metrics = Array.from({ length: 1_000 }, (_, i) => ({
      key: 'm',
      value: i % 7,
      timestamp: 1_000 + Math.floor(i / 3),
      step: i,
    }));
    await tess.post('runs/log-batch', { run_id: runId, metrics });
    // The same again, as a client sends it after it lost the answer.
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
    const sampled = await tess.get<Page>('metrics/get-history-bulk-interval', {
      run_ids: [runId],
      metric_key: 'm',
      max_results: 10,
    });
    expect(sampled.metrics).toHaveLength(10);
    expect([sampled.metrics?.[0]?.step, sampled.metrics?.at(-1)?.step]).toEqual([0, 999]);
    const part = await tess.get<Page>('metrics/get-history-bulk-interval', {
      run_ids: runId,
      metric_key: 'm',
      start_step: 10,
      end_step: 12,
    });
    expect(part.metrics?.map(({ step }) => step)).toEqual([10, 11, 12]);
    const bulk = await tess.get<Page>('metrics/get-history-bulk', {
      run_id: [runId, 'nobody'],
      metric_key: 'm',
      max_results: 4,
    });
    expect(bulk.metrics).toHaveLength(4);
  });

  it('answers a very long history completely, without holding it in memory', async () => {
    const runId = await tess.newRun();
    const count = 120_000;
    await sql(
      service.database.url,
      `insert into metric_point (tenant, run_id, key, step, logged_at, value, seq)
       select tenant, id, 'long', n, timestamptz '2026-01-01' + n / 3 * interval '1 ms',
         case when n = 90000 then float8 'NaN' else n end, n
       from run, generate_series(0, ${count - 1}) n where replace(id::text, '-', '') = '${runId}'`,
    );
    interface Page {
      metrics: { key: string; step: number; value: number | string }[];
      next_page_token?: string;
    }
    const stepsOf = ({ metrics }: Page) => metrics.map(({ step }) => step);
    const steps = Array.from({ length: count }, (_, step) => step);
    service.queries.length = 0;
    const whole = await tess.get<Page>('metrics/get-history', { run_id: runId, metric_key: 'long' });
    expect(stepsOf(whole)).toEqual(steps);
    expect(whole.metrics[90_000]).toMatchObject({ key: 'long', value: 'NaN' });
    expect(whole.next_page_token).toBeUndefined();
    const limits = service.queries
      .filter(({ text }) => text.includes('from "metric_point"'))
      .map(({ params }) => params.at(-1));
    expect(limits).toEqual([100_001, 100_001]);
    const part = await tess.get<Page>('metrics/get-history', {
      run_id: runId,
      metric_key: 'long',
      max_results: 110_000,
    });
    expect(stepsOf(part)).toEqual(steps.slice(0, 110_000));
    const rest = { run_id: runId, metric_key: 'long', page_token: part.next_page_token! };
    expect(stepsOf(await tess.get<Page>('metrics/get-history', rest))).toEqual(steps.slice(110_000));
    const refused = await tess.fails('GET', 'metrics/get-history', { ...rest, page_token: 'x' });
    expect(refused).toMatchObject({ status: 400, error_code: 'INVALID_PARAMETER_VALUE' });
  });

  it('names datasets that a run read', async () => {
    const runId = await tess.newRun();
    const dataset = {
      name: 'wine',
      digest: 'abc',
      source_type: 'local',
      source: '{"uri":"wine.csv"}',
      profile: '{"num_rows":3}',
    };
    await tess.post('runs/log-inputs', {
      run_id: runId,
      datasets: [{ dataset, tags: [{ key: 'mlflow.data.context', value: 'training' }] }],
    });
    expect((await tess.run(runId)).inputs).toEqual({
      dataset_inputs: [{ tags: [{ key: 'mlflow.data.context', value: 'training' }], dataset }],
    });
  });

  it('shows models that were logged in the old way', async () => {
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
    const entry = {
      run_id: runId,
      artifact_path: 'm',
      utc_time_created: 'now',
      model_uuid: 'u',
      flavors: { sklearn: { a: 1 } },
    };
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

  it('are created, finished, tagged, measured and deleted', async () => {
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
    for (const [name, digest] of [
      ['x'.repeat(1_000_000), 'd'],
      ['d', 'x'.repeat(37)],
      ['€'.repeat(500), 'd'.repeat(36)],
    ]) {
      const metric = {
        key: 'é'.repeat(250),
        value: 1,
        timestamp: 7,
        model_id: id,
        dataset_name: name,
        dataset_digest: digest,
      };
      expect(await tess.fails('POST', 'runs/log-metric', { run_id: runId, ...metric })).toMatchObject({
        status: 400,
        error_code: 'INVALID_PARAMETER_VALUE',
      });
    }
    await tess.post('runs/outputs', { run_id: runId, models: [{ model_id: id, step: 2 }] });
    await tess.post('runs/log-inputs', { run_id: runId, models: [{ model_id: id }] });
    const shown = (await tess.get<{ model: ModelShape }>(`logged-models/${id}`)).model;
    expect(shown.info).toMatchObject({ status: 'LOGGED_MODEL_READY', tags: [{ key: 'a', value: '1' }] });
    expect(shown.data).toEqual({
      params: [
        { key: 'depth', value: '2' },
        { key: 'trees', value: '10' },
      ],
      metrics: [
        {
          key: 'acc',
          value: 0.5,
          timestamp: 7,
          step: 0,
          dataset_name: 'd',
          dataset_digest: 'x',
          model_id: id,
          run_id: runId,
        },
      ],
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
    expect(
      (await tess.get<{ model: ModelShape }>(`logged-models/${id}`, { allow_deleted: 'true' })).model.info.model_id,
    ).toBe(id);
  });
});
