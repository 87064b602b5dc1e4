import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowCaller, type MlflowRun } from '../support/mlflow.js';
import { newExperiment, newRunOf } from '../support/runs.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { CompareCurvesDocument, ParallelCoordinatesDocument } from '../../schema/generated/operations.js';
import {
  CompareRunsForExtremeMetricsDocument,
  ParameterImportanceDetailsDocument,
  RunsForExtremeMetricsDocument,
} from '../generated/operations.js';

const VALUES = [
  '1.7976931348623157e308',
  '-1.7976931348623157e308',
  '5e-324',
  '-5e-324',
  '0',
  '-0',
  '1',
  'NaN',
  'Infinity',
  '-Infinity',
];
const NAMES = ['constructor', 'prototype', '__proto__', 'toString', 'hasOwnProperty'];
const LONG = 'x'.repeat(6_000);

const metricValue = (text: string) => (Number.isFinite(Number(text)) ? Number(text) : text);

let service: TestService;
let tess: Caller;
let mlflow: MlflowCaller;
let experimentId: string;
const runIds: string[] = [];

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  mlflow = await MlflowCaller.of(service);
  experimentId = await newExperiment(tess);
  for (const seed of ['1', '2']) {
    for (const [i, value] of VALUES.entries()) {
      const metrics = VALUES.map((text, step) => ({ key: 'course', value: metricValue(text), step }));
      runIds.push(
        await newRunOf(tess, experimentId, {
          params: {
            number: VALUES[(i * 3) % VALUES.length]!,
            text: LONG + (i % 3),
            seed,
            [NAMES[i % NAMES.length]!]: value,
          },
          metrics: [
            ...metrics,
            { key: 'end', value: metricValue(value) },
            { key: 'huge', value: i % 2 === 0 ? 1.797e308 : i },
            ...NAMES.map((key) => ({ key, value: metricValue(value) })),
          ],
        }),
      );
    }
  }
});
afterAll(() => service?.close());

describe('extreme metrics, long texts and names of JavaScript properties', () => {
  it('are compared and shown as curves', async () => {
    const { compareRuns } = await tess.ok(CompareRunsForExtremeMetricsDocument, { input: { runIds } });
    expect(compareRuns.metrics.map(({ key }) => key)).toEqual(['course', 'end', 'huge', ...NAMES].sort());
    expect(
      compareRuns.metrics.find(({ key }) => key === '__proto__')!.values.map(({ value }) => String(value)),
    ).toEqual([...VALUES, ...VALUES].map((text) => String(metricValue(text))));
    expect(compareRuns.params.differing.map(({ key }) => key)).toEqual(expect.arrayContaining(NAMES));
    for (const axis of ['STEP', 'TIME'] as const)
      await tess.ok(CompareCurvesDocument, { input: { runIds }, metricKeys: ['course'], axis, maxPoints: 2 });
  });

  it('are shown on parallel axes', async () => {
    const { parallelCoordinates } = await tess.ok(ParallelCoordinatesDocument, {
      input: { filter: { experimentIds: [experimentId] }, metricKeys: ['course', 'end', 'huge', ...NAMES], limit: 100 },
    });
    expect(parallelCoordinates.axes.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['number', 'text', ...NAMES]),
    );
  });

  it('are explained by their parameters, with ranks when squares are not exact', async () => {
    for (const metricKey of ['end', 'huge', 'constructor', '__proto__']) {
      const { parameterImportance } = await tess.ok(ParameterImportanceDetailsDocument, {
        input: { filter: { experimentIds: [experimentId] }, metricKey },
      });
      expect(parameterImportance.method).toContain('ranks');
    }
  });

  it('are reduced, searched, ordered and shown', async () => {
    const filter = { experimentIds: [experimentId] };
    for (const key of ['end', 'huge', ...NAMES]) {
      const { runs } = await tess.ok(RunsForExtremeMetricsDocument, {
        filter,
        orderBy: [{ field: 'METRIC', key, direction: 'ASC' }],
      });
      expect(runs.nodes.length).toBe(VALUES.length * 2);
      for (const { metrics } of runs.nodes)
        expect(metrics.map((one) => one.key)).toEqual(expect.arrayContaining(NAMES));
    }
    for (const bound of [1.7976931348623157e308, -1.7976931348623157e308, 5e-324, -0]) {
      await tess.ok(RunsForExtremeMetricsDocument, {
        filter: { ...filter, metrics: [{ key: 'end', min: bound }] },
      });
      await tess.ok(RunsForExtremeMetricsDocument, { filter, where: `metrics.constructor >= ${bound}` });
    }
  });

  it('are returned by the MLflow protocol', async () => {
    const experiments = [experimentId.replaceAll('-', '')];
    for (const name of NAMES) {
      const { run } = await mlflow.post<{ run: MlflowRun }>('runs/create', { experiment_id: '0', start_time: 1 });
      const run_id = run.info.run_id;
      await mlflow.post('runs/log-batch', {
        run_id,
        params: [{ key: name, value: LONG }],
        tags: [{ key: name, value: name }],
        metrics: VALUES.map((text, step) => ({ key: name, value: metricValue(text), timestamp: 1, step })),
      });
      await mlflow.post('runs/log-metric', { run_id, key: name, value: 2, timestamp: 2, step: 99 });
      await mlflow.post('runs/log-parameter', { run_id, key: `${name}.2`, value: name });
      await mlflow.post('runs/set-tag', { run_id, key: `${name}.2`, value: name });
      const { run: shown } = await mlflow.get<{ run: MlflowRun }>('runs/get', { run_id });
      expect(shown.data.metrics).toEqual([{ key: name, value: 2, timestamp: 2, step: 99 }]);
      expect(shown.data.params).toContainEqual({ key: name, value: LONG });
      expect(shown.data.tags).toContainEqual({ key: name, value: name });
      const { metrics } = await mlflow.get<{ metrics: { value: number | string }[] }>('metrics/get-history', {
        run_id,
        metric_key: name,
      });
      expect(metrics.length).toBe(VALUES.length + 1);
      await mlflow.post('experiments/set-experiment-tag', { experiment_id: '0', key: name, value: name });
      await mlflow.post('runs/delete-tag', { run_id, key: name });
      const { runs } = await mlflow.post<{ runs: MlflowRun[] }>('runs/search', {
        experiment_ids: ['0'],
        filter: `params."${name}.2" = '${name}' and metrics.\`${name}\` > 1`,
      });
      expect(runs.map(({ info }) => info.run_id)).toEqual([run_id]);
    }
    const { runs } = await mlflow.post<{ runs: unknown[] }>('runs/search', {
      experiment_ids: experiments,
      order_by: ['metrics.`constructor` DESC'],
    });
    expect(runs.length).toBe(VALUES.length * 2);
    const { experiment } = await mlflow.get<{ experiment: { tags: { key: string; value: string }[] } }>(
      'experiments/get',
      {
        experiment_id: '0',
      },
    );
    for (const name of NAMES) expect(experiment.tags).toContainEqual({ key: name, value: name });
    const tags = NAMES.map((key) => ({ key, value: key }));
    const inOrder = (entries: { key: string; value: string }[]) => entries.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const { run } = await mlflow.post<{ run: MlflowRun }>('runs/create', { experiment_id: '0', start_time: 1, tags });
    for (const tag of tags) expect(run.data.tags).toContainEqual(tag);
    const { experiment_id } = await mlflow.post<{ experiment_id: string }>('experiments/create', { name: 'odd', tags });
    expect(
      (await mlflow.get<{ experiment: { tags: typeof tags } }>('experiments/get', { experiment_id })).experiment.tags,
    ).toEqual(expect.arrayContaining(tags));
    interface Logged {
      model: { info: { model_id: string; tags: typeof tags }; data: { params: typeof tags } };
    }
    const logged = await mlflow.post<Logged>('logged-models', { experiment_id: '0', name: 'odd', tags, params: tags });
    expect(inOrder(logged.model.info.tags)).toEqual(inOrder(tags));
    expect(inOrder(logged.model.data.params)).toEqual(inOrder(tags));
    const path = `logged-models/${logged.model.info.model_id}`;
    await mlflow.ok('PATCH', `${path}/tags`, { tags });
    for (const key of NAMES) await mlflow.ok('DELETE', `${path}/tags/${key}`);
    expect((await mlflow.get<Logged>(path)).model.info.tags ?? []).toEqual([]);
    const model = await mlflow.post<{ registered_model: object }>('registered-models/create', {
      name: 'odd',
      tags,
    });
    expect(model.registered_model).toMatchObject({ tags: inOrder(tags) });
    for (const key of NAMES) {
      await mlflow.post('registered-models/set-tag', { name: 'odd', key: `${key}.2`, value: key });
      await mlflow.ok('DELETE', 'registered-models/delete-tag', { name: 'odd', key });
    }
  });
});
