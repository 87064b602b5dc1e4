import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowCaller } from '../support/mlflow.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let tess: MlflowCaller;

beforeAll(async () => {
  service = await startTestService();
  tess = await MlflowCaller.of(service);
});
afterAll(() => service?.close());

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
      experiments?: { name: string }[];
      next_page_token?: string;
    }
    const names = async (filter: string, more: object = {}) =>
      (await team.post<Found>('experiments/search', { max_results: 10, filter, ...more })).experiments?.map(
        ({ name }) => name,
      );
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
      (await team.post<Found>('logged-models/search', { experiment_ids: ['0'], ...given })).models?.map(
        ({ info }) => info.name,
      );
    expect(await names({ order_by: [{ field_name: 'metrics.acc', ascending: false }] })).toEqual([
      'large',
      'small',
      'none',
    ]);
    expect(await names({ filter: 'metrics.acc > 0.5' })).toEqual(['large']);
    expect(await names({ filter: "params.trees = '5'" })).toEqual(['none']);
    expect(await names({ filter: "tags.kind LIKE 's%' AND name = 'small'" })).toEqual(['small']);
    expect(await names({ filter: `source_run_id = '${runId}'`, order_by: [{ field_name: 'name' }] })).toEqual([
      'large',
      'none',
      'small',
    ]);
    expect(await names({ datasets: [{ dataset_name: 'wine' }], order_by: [{ field_name: 'name' }] })).toEqual([
      'large',
      'small',
    ]);
    expect(await names({ datasets: [{ dataset_name: 'wine', dataset_digest: 'other' }] })).toBeUndefined();
    const first = await team.post<Found>('logged-models/search', {
      experiment_ids: ['0'],
      max_results: 2,
      order_by: [{ field_name: 'name' }],
    });
    expect(first.models).toHaveLength(2);
    expect(
      await names({ page_token: first.next_page_token, max_results: 2, order_by: [{ field_name: 'name' }] }),
    ).toEqual(['small']);
    const page = {
      page_token: first.next_page_token,
      max_results: 2,
      order_by: [{ field_name: 'name', ascending: true }],
    };
    expect(await names(page)).toEqual(['small']);
    const refused = (given: object) => team.fails('POST', 'logged-models/search', { experiment_ids: ['0'], ...given });
    expect(await refused({ order_by: [{ field_name: 'secret' }] })).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
      error_class: 'ATTRIBUTE_NOT_FOUND',
      message: 'Invalid order by field name: secret',
    });
    for (const [given, message] of [
      [
        { ...page, filter: "name = 'x'" },
        "Filter string in the page token does not match the requested filter string. Expected: name = 'x'. Found: None",
      ],
      [
        { ...page, experiment_ids: ['0', '1'] },
        "Experiment IDs in the page token do not match the requested experiment IDs. Expected: ['0', '1']. " +
          "Found: ['0']",
      ],
      [
        { ...page, order_by: [] },
        'Order by in the page token does not match the requested order by. Expected: []. Found: [{',
      ],
      [{ ...page, page_token: '!' }, 'Invalid page token: !. Expecting value: line 1 column 1 (char 0)'],
    ] as const)
      expect(await refused(given)).toMatchObject({ status: 400, message: expect.stringContaining(message) });
    expect(await refused({ max_results: -1 })).toMatchObject({
      message: expect.stringContaining('a positive integer'),
    });
    expect(await names({ max_results: 100_000 })).toHaveLength(3);
    expect(await refused({ order_by: [{ field_name: 'tags.kind' }] })).toMatchObject({
      error_class: 'INVALID_PARAMETER_VALUE',
      message: 'Invalid order by field name: tags.kind. Only metrics are supported.',
    });
    expect(await refused({ datasets: [{ dataset_digest: 'd' }] })).toMatchObject({
      message: '`dataset_name` in the `datasets` clause must be specified.',
    });
    expect(await tess.post<Found>('logged-models/search', { experiment_ids: ['0'], filter: "name = 'small'" })).toEqual(
      {},
    );
  });
});
