// One file because all its searches use the same few runs of one service, which take longer to create than to search.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CreateRunDocument,
  FinishRunDocument,
  LogMetricsDocument,
  SearchRunsDocument,
  SetRunTagsDocument,
} from '../../schema/generated/operations.js';
import {
  CreateExperimentDetailsDocument,
  LogRunDatasetsDetailsDocument,
  RunsIdDocument,
  RunsIdNameDocument,
  RunsKeysTotalCountDocument,
  type RunOrderInput,
  type FinalRunStatus,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let admin: pg.Client;
/** Run ids by name. */
const ids: Record<string, string> = {};
let experimentId: string;

const START = Date.UTC(2026, 0, 1);

interface Sample {
  name: string;
  params?: Record<string, string>;
  tags?: Record<string, string>;
  metrics?: Record<string, number | string>;
  status?: FinalRunStatus;
}

const SAMPLES: Sample[] = [
  { name: 'a', params: { lr: '0.1', model: 'resnet' }, tags: { team: 'alpha' }, metrics: { loss: 0.1, acc: 0.5 } },
  { name: 'b', params: { lr: '0.2', model: 'vit' }, tags: { team: 'beta' }, metrics: { loss: 0.2, acc: 0.5 } },
  {
    name: 'c',
    params: { lr: '0.1', model: 'vit' },
    tags: { team: 'alpine' },
    metrics: { loss: 0.3, acc: 0.7 },
    status: 'FAILED',
  },
  { name: 'd', params: { lr: '0.3' }, metrics: { loss: 'NaN', acc: 0.9 } },
  { name: 'e', tags: { team: 'alpha' }, metrics: { acc: 0.1 } },
  { name: 'f', params: { lr: '0.1' }, metrics: { loss: 'Infinity' } },
  { name: 'g', metrics: { loss: '-Infinity', acc: 0.5 } },
];

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  admin = new pg.Client({ connectionString: service.database.url });
  await admin.connect();
  const made = await tess.ok(CreateExperimentDetailsDocument, { input: { name: 'search' } });
  experimentId = made.createExperiment.experiment.id;
  const entries = (record: Record<string, string> = {}) =>
    Object.entries(record).map(([key, value]) => ({ key, value }));
  for (const [i, { name, params, tags, metrics, status }] of SAMPLES.entries()) {
    const { createRun } = await tess.ok(CreateRunDocument, {
      input: { experimentId, name, params: entries(params), tags: entries(tags) },
    });
    const { id } = createRun.run;
    ids[name] = id;
    await tess.ok(LogMetricsDocument, {
      input: { runId: id, metrics: Object.entries(metrics ?? {}).map(([key, value]) => ({ key, value })) },
    });
    if (status) {
      await tess.ok(FinishRunDocument, {
        input: { runId: id, status },
      });
    }
    await admin.query('update run set created_at = $2, started_at = $2 where id = $1', [
      id,
      new Date(START + i * 1_000),
    ]);
  }
});
afterAll(async () => {
  await admin?.end();
  await service?.close();
});

interface Found {
  runs: { nodes: { name: string }[]; totalCount: number; pageInfo: { endCursor: string | null; hasNextPage: boolean } };
}

/** Names of the runs found, in their order, read one per page and all at once. */
async function names(variables: Record<string, unknown>): Promise<string> {
  const { runs } = await tess.ok(SearchRunsDocument, variables);
  const whole = runs.nodes.map(({ name }) => name);
  expect(runs.totalCount).toBe(whole.length);
  const paged: string[] = [];
  for (let after: string | null = null; ;) {
    const page: Found = await tess.ok(SearchRunsDocument, { ...variables, first: 2, after });
    paged.push(...page.runs.nodes.map(({ name }) => name));
    if (!page.runs.pageInfo.hasNextPage) break;
    after = page.runs.pageInfo.endCursor;
  }
  expect(paged).toEqual(whole);
  return whole.join('');
}

const byName = [{ field: 'NAME', direction: 'ASC' }];

describe('a filter string', () => {
  const cases: [string, string][] = [
    ['metrics.loss < 0.3', 'abg'],
    ['metrics.loss >= 0.2', 'bcf'],
    ['metrics.loss != 0.1', 'bcdfg'],
    ["metrics.loss = 'NaN'", 'd'],
    ["metrics.loss != 'NaN'", 'abcfg'],
    ['metrics.loss IS NULL', 'e'],
    ['NOT metrics.loss < 0.3', 'cdef'],
    ["metrics.loss < 0.35 AND (params.lr = '0.1' OR tags.team LIKE 'b%')", 'abc'],
    ["params.lr != '0.1'", 'bd'],
    ["NOT (params.lr = '0.1')", 'bdeg'],
    ["params.lr IN ('0.2', '0.3')", 'bd'],
    ["params.lr NOT IN ('0.2', '0.3')", 'acf'],
    ['params.model IS NOT NULL', 'abc'],
    ["tags.team LIKE 'al%'", 'ace'],
    ["tags.team ILIKE 'AL%A'", 'ae'],
    ["status = 'FAILED' OR name IN ('a', 'g')", 'acg'],
    ['end_time IS NULL', 'abdefg'],
    ['NOT end_time > 0', 'abdefg'],
    ["start_time > '2026-01-01T00:00:04Z'", 'fg'],
    [`start_time <= ${START + 1_000}`, 'ab'],
    ['created_at < -1e300', ''],
    ["user_id = 'tess' AND attributes.`Run name` != 'b'", 'acdefg'],
    ["name LIKE 'a%' OR name LIKE 'B%' OR name LIKE '_' AND name LIKE 'c%_'", 'a'],
    ["run_id = 'no id'", ''],
    ["run_id != 'no id'", 'abcdefg'],
    ["tags.`it''s` = '''; drop table run --'", ''],
    ["datasets.name = 'x'", ''],
    ['', 'abcdefg'],
  ];
  for (const [where, expected] of cases) {
    it(`finds what it describes: ${where}`, async () => {
      expect(await names({ where, orderBy: byName })).toBe(expected);
    });
  }

  it('accepts ids with dashes and without', async () => {
    const list = `'${ids['a']}', '${ids['b']?.replaceAll('-', '')}'`;
    expect(await names({ where: `run_id IN (${list})`, orderBy: byName })).toBe('ab');
    expect(await names({ where: `run_id NOT IN (${list})`, orderBy: byName })).toBe('cdefg');
    expect(await names({ where: `run_id LIKE '${ids['a']?.replaceAll('-', '')}'` })).toBe('a');
    expect(await names({ where: `experiment_id = '${experimentId}'`, orderBy: byName })).toBe('abcdefg');
  });

  it('finds runs by the data that they read', async () => {
    await tess.ok(LogRunDatasetsDetailsDocument, {
      input: {
        runId: ids['c']!,
        datasets: [
          { direction: 'INPUT', name: 'iris', digest: 'abc', sourceType: 'local', source: 'x', context: 'training' },
        ],
      },
    });
    expect(await names({ where: "datasets.name = 'iris' AND dataset.context LIKE 'train%'" })).toBe('c');
    expect(await names({ where: "NOT datasets.digest IN ('abc')", orderBy: byName })).toBe('abdefg');
    expect(await names({ filter: { datasets: [{ name: 'iris', context: 'training' }] } })).toBe('c');
  });
});

describe('a typed filter', () => {
  it('gives the same result', async () => {
    const by = (filter: object) => names({ filter, orderBy: byName });
    expect(await by({ metrics: [{ key: 'loss', min: 0.2 }] })).toBe('bcf');
    expect(await by({ metrics: [{ key: 'loss', isSet: false }] })).toBe('e');
    expect(await by({ not: { params: [{ key: 'lr', value: '0.1' }] } })).toBe('bdeg');
    expect(
      await by({ or: [{ params: [{ key: 'lr', value: '0.2' }] }, { search: 'G' }], metrics: [{ key: 'acc' }] }),
    ).toBe('bg');
    expect(
      await by({ tagsMatching: [{ key: 'team', like: 'al%' }], paramsMatching: [{ key: 'lr', in: ['0.1'] }] }),
    ).toBe('ac');
    expect(await by({ status: ['FAILED'], createdBy: ['tess'] })).toBe('c');
    expect(await by({ startedFrom: '2026-01-01T00:00:02Z', startedTo: '2026-01-01T00:00:04Z' })).toBe('cd');
    expect(await by({ and: [{}], or: [], not: { search: 'a' } })).toBe('bcdefg');
    expect(await names({ filter: { search: 'a' }, where: "name = 'b'" })).toBe('');
  });

  it('has no condition for an empty list, but nothing is equal to one of no texts', async () => {
    const by = (filter: object) => names({ filter, orderBy: byName });
    const empty = {
      status: [],
      createdBy: [],
      params: [],
      paramsMatching: [],
      tags: [],
      metrics: [],
      datasets: [],
      and: [],
      or: [],
    };
    expect(await by({ ...empty, experimentIds: [], datasetIds: [], states: [] })).toBe('abcdefg');
    expect(await by({ or: [empty, { search: 'a' }] })).toBe('abcdefg');
    expect(await by({ paramsMatching: [{ key: 'lr', in: [] }] })).toBe('');
    expect(await by({ not: { tagsMatching: [{ key: 'team', in: [] }] } })).toBe('abcdefg');
  });

  it('distinguishes texts with the same beginning, whatever their length', async () => {
    const long: Record<string, string> = {
      a: 'x'.repeat(99),
      b: 'x'.repeat(100),
      d: `${'x'.repeat(100)}1`,
      e: `${'x'.repeat(100)}2`,
    };
    for (const [name, value] of Object.entries(long)) {
      const input = { runId: ids[name]!, tags: [{ key: 'long', value }] };
      await tess.ok(SetRunTagsDocument, { input });
    }
    const by = (filter: object) => names({ filter, orderBy: byName });
    for (const [name, value] of Object.entries(long)) {
      expect(await by({ tags: [{ key: 'long', value }] })).toBe(name);
      expect(await by({ tagsMatching: [{ key: 'long', in: [value, 'x'] }] })).toBe(name);
    }
    expect(await by({ tagsMatching: [{ key: 'long', in: [long['a'], long['e']] }] })).toBe('ae');
    expect(await by({ tagsMatching: [{ key: 'long', like: `${long['b']}%` }] })).toBe('bde');
    expect(await by({ tagsMatching: [{ key: 'long', like: `${long['b']}_` }] })).toBe('de');
  });
});

describe('orders', () => {
  const cases: [string, object[], string][] = [
    ['newest first', [], 'gfedcba'],
    ['by a metric, NaN and runs without it last', [{ field: 'METRIC', key: 'loss', direction: 'ASC' }], 'gabcfde'],
    [
      'by a metric downwards, NaN and runs without it last',
      [{ field: 'METRIC', key: 'loss', direction: 'DESC' }],
      'fcbagde',
    ],
    [
      'by two metrics',
      [
        { field: 'METRIC', key: 'acc', direction: 'DESC' },
        { field: 'METRIC', key: 'loss', direction: 'DESC' },
      ],
      'dcbagef',
    ],
    [
      'by a parameter and a name',
      [
        { field: 'PARAM', key: 'lr', direction: 'DESC' },
        { field: 'NAME', direction: 'DESC' },
      ],
      'dbfcage',
    ],
    [
      'by a tag and a metric that some lack',
      [
        { field: 'TAG', key: 'team', direction: 'ASC' },
        { field: 'METRIC', key: 'loss', direction: 'ASC' },
      ],
      'aecbgfd',
    ],
    [
      'by the end and the start',
      [
        { field: 'ENDED_AT', direction: 'ASC' },
        { field: 'STARTED_AT', direction: 'DESC' },
      ],
      'cgfedba',
    ],
  ];
  for (const [what, orderBy, expected] of cases) {
    it(`are the same over all pages: ${what}`, async () => {
      expect(await names({ orderBy })).toBe(expected);
    });
  }

  it('accept one object in place of a list of one', async () => {
    const { runs } = await tess.ok<{ runs: { nodes: object[] } }>(
      '{ runs(orderBy: { field: NAME, direction: DESC }, first: 1) { nodes { name } } }',
    );
    expect(runs.nodes).toEqual([{ name: 'g' }]);
  });

  it('need a key for some fields, and only for these', async () => {
    const order = (orderBy: object[]) => tess.fails(SearchRunsDocument, { orderBy });
    expect((await order([{ field: 'METRIC', direction: 'ASC' }])).extensions).toMatchObject({
      field: 'orderBy[0].key',
    });
    expect((await order([{ field: 'NAME', key: 'x', direction: 'ASC' }])).extensions).toMatchObject({
      field: 'orderBy[0].key',
    });
    const twice = { field: 'TAG', key: 'x', direction: 'ASC' };
    expect((await order([twice, twice])).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      expected: 'every key once',
    });
  });
});

describe('hostile searches', () => {
  const refused: [string, Record<string, unknown>, string][] = [
    ['SQL in a filter', { where: "metrics.loss < 1; drop table run; --'" }, 'where'],
    ['a quote left open', { where: "params.lr = '0.1" }, 'where'],
    ['a flood of %', { where: `tags.team LIKE '${'%_'.repeat(400)}'` }, 'where'],
    [
      'a typed flood of %',
      { filter: { tagsMatching: [{ key: 'team', like: '%a'.repeat(100) }] } },
      'filter.tagsMatching[0].like',
    ],
    ['10,000 terms', { where: Array.from({ length: 10_000 }, (_, i) => `metrics.m${i} > 0`).join(' AND ') }, 'where'],
    [
      'too many typed terms',
      { filter: { params: Array.from({ length: 60 }, (_, i) => ({ key: `k${i}`, value: 'v' })) } },
      'filter.params',
    ],
    ['deep parentheses', { where: `${'('.repeat(10_000)}metrics.a > 1` }, 'where'],
    ['a cursor of nonsense', { after: 'zzz' }, 'after'],
    ['a cursor of another order', { after: Buffer.from('["x",[[0,"y"]]]').toString('base64url') }, 'after'],
  ];
  for (const [what, variables, field] of refused) {
    it(`are refused at once: ${what}`, async () => {
      const started = performance.now();
      const error = await tess.fails(SearchRunsDocument, variables);
      expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
      expect(performance.now() - started).toBeLessThan(1_000);
    });
  }

  it('cannot forge values that a column does not have', async () => {
    const orders: [RunOrderInput[], unknown[]][] = [
      [[{ field: 'CREATED_AT', direction: 'ASC' }], ['99999999999999999999', '1e5', 'x', 5, null]],
      [[{ field: 'METRIC', key: 'loss', direction: 'ASC' }], ['1e999', 'NaN', '0x1', "1'::text", 'Infinity5']],
      [[{ field: 'NAME', direction: 'ASC' }], ['\0', '\ud800', 3]],
    ];
    for (const [orderBy, values] of orders) {
      const { runs } = await tess.ok(SearchRunsDocument, { orderBy, first: 1 });
      const [signature, places] = JSON.parse(Buffer.from(runs.pageInfo.endCursor ?? '', 'base64url').toString()) as [
        string,
        unknown[][],
      ];
      const forge = (place: unknown, id: unknown = places[1]) =>
        Buffer.from(JSON.stringify([signature, [place, id]])).toString('base64url');
      for (const value of values) {
        const error = await tess.fails(SearchRunsDocument, { orderBy, after: forge([0, value]) });
        expect(error.extensions, JSON.stringify(value)).toMatchObject({ code: 'BAD_USER_INPUT', field: 'after' });
      }
      for (const place of [[3, 'x'], [1, null, 1, 2].slice(0, 0), null, [-1, '1'], 'x']) {
        expect((await tess.fails(SearchRunsDocument, { orderBy, after: forge(place) })).extensions.code).toBe(
          'BAD_USER_INPUT',
        );
      }
      expect(
        (await tess.fails(SearchRunsDocument, { orderBy, after: forge(places[0], [0, 'no id']) })).extensions.code,
      ).toBe('BAD_USER_INPUT');
    }
  });

  it('find nothing of another tenant', async () => {
    const stranger = await service.as({ tenant: 'other' });
    const seen = await stranger.ok(SearchRunsDocument, {
      where: `run_id = '${ids['a']}' OR metrics.loss < 1 OR name LIKE '%'`,
    });
    expect(seen.runs.nodes).toEqual([]);
  });
});

describe('statements', () => {
  it('use only the tables that a search needs, the same few for one run as for many', async () => {
    const statementsOf = async (search: () => Promise<object>) => {
      service.statements.length = 0;
      await search();
      return service.statements.filter(
        (text) => /^select/i.test(text) && /\bfrom "?(run|metric|experiment|dataset|logged)/.test(text),
      );
    };
    const plain = await statementsOf(() => tess.ok(RunsIdNameDocument));
    expect(plain).toHaveLength(1);
    expect(plain[0]).not.toMatch(/metric_latest|run_param|run_tag|dataset|count/);
    const orderBy: RunOrderInput[] = [{ field: 'METRIC', key: 'loss', direction: 'ASC' }];
    const where = 'metrics.loss < 9';
    expect(await statementsOf(() => tess.ok(RunsIdDocument, { first: 1, where, orderBy }))).toHaveLength(1);
    for (const first of [1, 3])
      expect(await statementsOf(() => tess.ok(RunsKeysTotalCountDocument, { first, where, orderBy }))).toHaveLength(4);
  });
});
