import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowCaller, type MlflowRun } from '../support/mlflow.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let tess: MlflowCaller;
let other: string;

const START = Date.UTC(2026, 0, 1);

beforeAll(async () => {
  service = await startTestService();
  tess = await MlflowCaller.of(service);
  other = (await tess.post<{ experiment_id: string }>('experiments/create', { name: 'other' })).experiment_id;
  const samples: [string, Record<string, number | string>, Record<string, string>, string][] = [
    ['a', { loss: 0.1, acc: 0.5 }, { lr: '0.1' }, '0'],
    ['b', { loss: 0.2, acc: 0.5 }, { lr: '0.2' }, '0'],
    ['c', { loss: 'NaN', acc: 0.7 }, { lr: '0.1' }, '0'],
    ['d', { acc: 0.5 }, {}, '0'],
    ['e', { loss: 0.3 }, { lr: '0.3' }, other],
  ];
  for (const [i, [name, metrics, params, experiment_id]] of samples.entries()) {
    const run_id = await tess.newRun({
      experiment_id,
      run_name: name,
      start_time: START + i,
      tags: [{ key: 'mlflow.user', value: `u${i % 2}` }],
    });
    await tess.post('runs/log-batch', {
      run_id,
      metrics: Object.entries(metrics).map(([key, value]) => ({ key, value, timestamp: START, step: 0 })),
      params: Object.entries(params).map(([key, value]) => ({ key, value })),
    });
    if (name === 'b') await tess.post('runs/update', { run_id, status: 'FINISHED', end_time: START + 100 });
    if (name === 'e')
      await tess.post('runs/log-inputs', {
        run_id,
        datasets: [
          {
            dataset: { name: 'iris', digest: 'd1', source_type: 'local', source: '{}' },
            tags: [{ key: 'mlflow.data.context', value: 'train' }],
          },
        ],
      });
  }
});
afterAll(() => service?.close());

interface Found {
  runs?: MlflowRun[];
  next_page_token?: string;
}

/** Names of the runs found, read at once and in pages of two. */
async function search(filter: string, order_by: string[] = [], given: object = {}): Promise<string> {
  const body = { experiment_ids: ['0', other], filter, order_by, ...given };
  const whole = (await tess.post<Found>('runs/search', body)).runs ?? [];
  const paged: MlflowRun[] = [];
  for (let page_token: string | undefined = ''; page_token !== undefined;) {
    const page: Found = await tess.post<Found>('runs/search', { ...body, max_results: 2, page_token });
    paged.push(...(page.runs ?? []));
    page_token = page.next_page_token;
  }
  expect(paged).toEqual(whole);
  return whole.map(({ info }) => info['run_name']).join('');
}

describe('runs/search', () => {
  const cases: [string, string[], string][] = [
    ['', [], 'edcba'],
    ['metrics.loss > 0.1', [], 'eb'],
    ['metrics.loss != 0.1', [], 'ecb'],
    ["params.lr = '0.1' and metrics.acc >= 0.5", [], 'ca'],
    ['params.lr IS NULL', [], 'd'],
    ["attributes.user_id = 'u1'", [], 'db'],
    ["status = 'FINISHED'", [], 'b'],
    ["attributes.`Run name` ILIKE 'A%'", [], 'a'],
    ["dataset.name = 'iris' AND datasets.context IN ('train')", [], 'e'],
    [`start_time <= ${START + 1}`, [], 'ba'],
    [`end_time > ${START}`, [], 'b'],
    ["artifact_uri LIKE 'mlflow-artifacts:/0/%/artifacts'", [], 'dcba'],
    ['', ['metrics.loss'], 'abecd'],
    ['', ['metrics.loss DESC'], 'ebacd'],
    ['', ['metrics.acc desc', 'params.lr'], 'cabde'],
    ['', ['attributes.end_time ASC', 'Created'], 'bacde'],
    ['', ['user_id DESC'], 'dbeca'],
    ['', ['run_name'], 'abcde'],
  ];
  for (const [filter, orderBy, expected] of cases) {
    it(`finds as MLflow does: ${filter || 'all'} by ${orderBy.join() || 'start'}`, async () => {
      expect(await search(filter, orderBy)).toBe(expected);
    });
  }

  it('shows runs of the requested experiments and states, with all their logged data', async () => {
    expect(await search('', [], { experiment_ids: [other] })).toBe('e');
    expect(await search('', [], { experiment_ids: [] })).toBe('');
    expect(await search('', [], { experiment_ids: ['f'.repeat(32), '77'] })).toBe('');
    const { runs } = await tess.post<Found>('runs/search', { experiment_ids: [other] });
    const id = runs?.[0]?.info.run_id ?? '';
    expect(runs).toEqual([await tess.run(id)]);
    expect(await search(`run_id IN ('${id}', 'no id')`)).toBe('e');
    await tess.post('runs/delete', { run_id: id });
    expect(await search('')).toBe('dcba');
    expect(await search('', [], { run_view_type: 'DELETED_ONLY' })).toBe('e');
    expect(await search('', [], { run_view_type: 'ALL' })).toBe('edcba');
    await tess.post('runs/restore', { run_id: id });
  });

  const refused: [object, string][] = [
    [{ filter: 'metrics.loss > 1 OR metrics.acc > 1' }, "Invalid clause(s) in filter string: 'OR'"],
    [{ filter: "metrics.loss > '1'" }, "Expected numeric value type for metric. Found '1'"],
    [{ order_by: ['datasets.name'] }, "Invalid identifier type 'dataset'"],
    [{ order_by: ['metrics.a', 'metrics.a DESC'] }, 'order_by: expected every key once'],
    [
      { experiment_ids: ['nothing'] },
      "Invalid experiment ID 'nothing'. Experiment ID must be 0 or have 32 hexadecimal digits.",
    ],
    [{ max_results: 50_001 }, 'Invalid value 50001 for parameter'],
    [{ max_results: 0 }, 'a positive integer'],
    [{ page_token: 'zzz' }, "Invalid page token, decoded value=b'\\xcf<'"],
    [{ page_token: 'e30' }, 'Invalid page token, parsed value={}'],
    [{ page_token: 'W10=' }, 'page_token: expected the cursor of a page with the same order'],
  ];
  for (const [given, message] of refused) {
    it(`refuses ${JSON.stringify(given)}`, async () => {
      const error = await tess.fails('POST', 'runs/search', { experiment_ids: ['0'], ...given });
      expect(error).toMatchObject({
        status: 400,
        error_code: 'INVALID_PARAMETER_VALUE',
        message: expect.stringContaining(message),
      });
    });
  }

  it('needs the same few statements for one run as for many', async () => {
    const count = async (max_results: number, order: string) => {
      service.statements.length = 0;
      await tess.post('runs/search', { experiment_ids: [other, '0'], max_results, order_by: [order] });
      return service.statements.filter(
        (text) => /^select/i.test(text) && /\bfrom "?(run|experiment|metric)/i.test(text),
      ).length;
    };
    expect(await count(4, 'run_name')).toBe(await count(1, 'run_name'));
    // When the page reaches runs whose metric is NaN, or runs without it, each needs one more statement.
    expect(await count(5, 'metrics.acc')).toBe((await count(1, 'metrics.acc')) + 2);
  });
});
