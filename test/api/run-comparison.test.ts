import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

interface NewRun {
  params?: Record<string, string>;
  metrics?: { key: string; value: number | string; step?: number; loggedAt?: string }[];
}

const pairs = (record: Record<string, string>) => Object.entries(record).map(([key, value]) => ({ key, value }));

async function newExperiment(): Promise<string> {
  const { createExperiment } = await tess.ok<{ createExperiment: { experiment: { id: string } } }>(
    `mutation ($name: String!) { createExperiment(input: { name: $name }) { experiment { id } } }`,
    { name: `e-${Math.random()}` },
  );
  return createExperiment.experiment.id;
}

async function newRun(experimentId: string, { params = {}, metrics = [] }: NewRun): Promise<string> {
  const { createRun } = await tess.ok<{ createRun: { run: { id: string } } }>(
    `mutation ($input: CreateRunInput!) { createRun(input: $input) { run { id } } }`,
    { input: { experimentId, params: pairs(params) } },
  );
  const runId = createRun.run.id;
  if (metrics.length > 0)
    await tess.ok(`mutation ($input: LogMetricsInput!) { logMetrics(input: $input) { addedCount } }`, { input: { runId, metrics } });
  return runId;
}

interface Curves {
  places: number[];
  series: { run: { id: string }; values: (number | string | null)[]; lows: (number | null)[]; highs: (number | null)[] }[];
}

const CURVES = `query ($input: CompareRunsInput!, $axis: CurveAxis, $maxPoints: Int) { compareRuns(input: $input) {
  curves(metricKeys: ["loss"], axis: $axis, maxPoints: $maxPoints) { places series { run { id } values lows highs } } } }`;

async function curvesOf(runIds: string[], options: { axis?: string; maxPoints?: number } = {}): Promise<Curves> {
  const { compareRuns } = await tess.ok<{ compareRuns: { curves: Curves[] } }>(CURVES, { input: { runIds }, ...options });
  return compareRuns.curves[0]!;
}

describe('runs side by side', () => {
  it('show what differs, against the baseline, and which is best', async () => {
    const experimentId = await newExperiment();
    const first = await newRun(experimentId, {
      params: { lr: '0.1', depth: '3' },
      metrics: [
        { key: 'loss', value: 0.5, step: 3 },
        { key: 'accuracy', value: 0.8 },
        { key: 'odd', value: 'NaN' },
      ],
    });
    const second = await newRun(experimentId, {
      params: { lr: '0.2', depth: '3', extra: 'yes' },
      metrics: [
        { key: 'loss', value: 0.25, step: 4 },
        { key: 'accuracy', value: 0.6 },
        { key: 'odd', value: 1 },
      ],
    });
    const { compareRuns } = await tess.ok<{ compareRuns: unknown }>(
      `query ($input: CompareRunsInput!) { compareRuns(input: $input) { runs { id } baseline { id } isCut
        params { differing { key values } equal { key value } } tags { differing { key } equal { key } } datasets { name }
        metrics { key direction values { run { id } value step delta relativeDelta isBest } significance { reason } }
        groups { params { key value } seeds runs { id } } } }`,
      { input: { runIds: [first, second], directions: [{ key: 'odd', direction: 'MINIMIZE' }] } },
    );
    expect(compareRuns).toEqual({
      runs: [{ id: first }, { id: second }],
      baseline: { id: first },
      isCut: false,
      params: {
        differing: [
          { key: 'extra', values: [null, 'yes'] },
          { key: 'lr', values: ['0.1', '0.2'] },
        ],
        equal: [{ key: 'depth', value: '3' }],
      },
      tags: { differing: [], equal: [] },
      datasets: [],
      metrics: [
        {
          key: 'accuracy',
          direction: 'MAXIMIZE',
          values: [
            { run: { id: first }, value: 0.8, step: 0, delta: 0, relativeDelta: 0, isBest: true },
            { run: { id: second }, value: 0.6, step: 0, delta: 0.6 - 0.8, relativeDelta: (0.6 - 0.8) / 0.8, isBest: false },
          ],
          significance: [{ reason: 'fewer than two runs in a group' }],
        },
        {
          key: 'loss',
          direction: 'MINIMIZE',
          values: [
            { run: { id: first }, value: 0.5, step: 3, delta: 0, relativeDelta: 0, isBest: false },
            { run: { id: second }, value: 0.25, step: 4, delta: -0.25, relativeDelta: -0.5, isBest: true },
          ],
          significance: [{ reason: 'fewer than two runs in a group' }],
        },
        {
          key: 'odd',
          direction: 'MINIMIZE',
          values: [
            { run: { id: first }, value: 'NaN', step: 0, delta: null, relativeDelta: null, isBest: false },
            { run: { id: second }, value: 1, step: 0, delta: null, relativeDelta: null, isBest: false },
          ],
          significance: [{ reason: 'fewer than two runs in a group' }],
        },
      ],
      groups: [
        { params: [{ key: 'lr', value: '0.1' }], seeds: [null], runs: [{ id: first }] },
        {
          params: [
            { key: 'extra', value: 'yes' },
            { key: 'lr', value: '0.2' },
          ],
          seeds: [null],
          runs: [{ id: second }],
        },
      ],
    });
  });

  it('are tested for chance where seeds were repeated', async () => {
    const experimentId = await newExperiment();
    const losses = { adam: [0.41, 0.39, 0.4, 0.42], sgd: [0.55, 0.52, 0.57, 0.53] };
    const runIds: string[] = [];
    for (const [optimizer, values] of Object.entries(losses)) {
      for (const [i, value] of values.entries())
        runIds.push(
          await newRun(experimentId, {
            params: { optimizer, random_state: String(i) },
            metrics: [
              { key: 'loss', value },
              { key: 'constant', value: 1 },
            ],
          }),
        );
    }
    const { compareRuns } = await tess.ok<{
      compareRuns: {
        groups: { seeds: string[]; runs: unknown[] }[];
        metrics: { key: string; significance: Record<string, never>[] }[];
      };
    }>(
      `query ($input: CompareRunsInput!) { compareRuns(input: $input) { groups { seeds runs { id } }
        metrics { key significance { group { params { key value } } mean baselineMean method reason
          result { difference differenceInterval { low high } t dof pValue pValueAdjusted hedgesG hedgesGInterval { low high } } } } } }`,
      { input: { runIds } },
    );
    expect(compareRuns.groups.map(({ seeds }) => seeds)).toEqual([
      ['0', '1', '2', '3'],
      ['0', '1', '2', '3'],
    ]);
    const [constant, loss] = compareRuns.metrics.map(
      ({ significance }) =>
        significance[0] as unknown as {
          group: unknown;
          method: string;
          reason: string | null;
          result: { pValue: number; hedgesG: number; hedgesGInterval: { low: number; high: number }; difference: number } | null;
        },
    );
    expect(constant).toMatchObject({ result: null, reason: 'the values of a group do not vary' });
    expect(loss).toMatchObject({ group: { params: [{ key: 'optimizer', value: 'sgd' }] }, reason: null });
    expect(loss!.method).toContain('Welch');
    expect(loss!.result!.difference).toBeCloseTo(0.1375, 12);
    expect(loss!.result!.pValue).toBeLessThan(0.001);
    expect(loss!.result!.hedgesGInterval.low).toBeGreaterThan(0.8);
    expect(loss!.result!.hedgesGInterval.high).toBeGreaterThan(loss!.result!.hedgesG);
    // With another idea of what a seed is, every run stands for itself.
    const alone = await tess.ok<{ compareRuns: { groups: unknown[] } }>(
      `query ($input: CompareRunsInput!) { compareRuns(input: $input) { groups { seeds } } }`,
      { input: { runIds, seedParams: ['nothing'] } },
    );
    expect(alone.compareRuns.groups.length).toBe(8);
  });

  it('refuse what cannot be compared', async () => {
    const experimentId = await newExperiment();
    const runIds = [await newRun(experimentId, {}), await newRun(experimentId, {})];
    const query = `query ($input: CompareRunsInput!) { compareRuns(input: $input) { isCut } }`;
    const refused = async (input: object) => (await tess.fails(query, { input })).extensions;
    expect(await refused({ runIds: [runIds[0]] })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.runIds',
      expected: '2 to 20 runs',
    });
    expect(await refused({ runIds: [runIds[0], runIds[0]] })).toMatchObject({ expected: 'each run once' });
    const other = await newRun(experimentId, {});
    expect(await refused({ runIds, baselineRunId: other })).toMatchObject({
      field: 'input.baselineRunId',
      expected: 'one of the compared runs',
    });
    const curves = await tess.fails(CURVES, { input: { runIds }, maxPoints: 1 });
    expect(curves.extensions).toMatchObject({ field: 'maxPoints' });
  });
});

describe('curves of compared runs', () => {
  it('share their steps, and have nothing where nothing was logged', async () => {
    const experimentId = await newExperiment();
    const loss = (values: [number, number | string][]) => ({ metrics: values.map(([step, value]) => ({ key: 'loss', value, step })) });
    const first = await newRun(
      experimentId,
      loss([
        [0, 1],
        [10, 0.5],
        [20, 'NaN'],
      ]),
    );
    const second = await newRun(
      experimentId,
      loss([
        [10, 0.75],
        [30, 0.25],
      ]),
    );
    expect(await curvesOf([first, second])).toEqual({
      places: [0, 10, 20, 30],
      series: [
        { run: { id: first }, values: [1, 0.5, 'NaN', null], lows: [1, 0.5, null, null], highs: [1, 0.5, null, null] },
        { run: { id: second }, values: [null, 0.75, null, 0.25], lows: [null, 0.75, null, 0.25], highs: [null, 0.75, null, 0.25] },
      ],
    });
  });

  it('are thinned on one grid, peaks and all', async () => {
    const experimentId = await newExperiment();
    const points = (count: number, every: number, peak: number) => ({
      metrics: Array.from({ length: count }, (_, i) => ({ key: 'loss', value: i === peak ? 99 : Math.sin(i / 50), step: i * every })),
    });
    const first = await newRun(experimentId, points(6000, 1, 3333));
    const second = await newRun(experimentId, points(300, 20, 10));
    const { places, series } = await curvesOf([first, second], { maxPoints: 100 });
    expect(places.length).toBe(100);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places.at(-1)).toBe(5999);
    expect(series.map(({ values }) => values.filter((value) => value !== null).length)).toEqual([100, 100]);
    expect(series.map(({ highs }) => highs.filter((value) => value === 99).length)).toEqual([1, 1]);
    const peak = series[0]!.highs.indexOf(99);
    expect(places[peak - 1]! < 3333 && 3333 <= places[peak]!).toBe(true);
  });

  it('lie along the time since each run began', async () => {
    const experimentId = await newExperiment();
    const run = async () => {
      const id = await newRun(experimentId, {});
      const { run: made } = await tess.ok<{ run: { startedAt: string } }>('query ($id: ID!) { run(id: $id) { startedAt } }', { id });
      const at = (seconds: number) => new Date(Date.parse(made.startedAt) + seconds * 1000).toISOString();
      const metrics = [1, 2, 4].map((seconds) => ({ key: 'loss', value: 1 / seconds, step: seconds, loggedAt: at(seconds) }));
      await tess.ok(`mutation ($input: LogMetricsInput!) { logMetrics(input: $input) { addedCount } }`, { input: { runId: id, metrics } });
      return id;
    };
    const { places, series } = await curvesOf([await run(), await run()], { axis: 'TIME' });
    expect(places).toEqual([1, 2, 4]);
    series.forEach(({ values }) => expect(values).toEqual([1, 0.5, 0.25]));
  });
});

describe('many runs', () => {
  let experimentId: string;

  beforeAll(async () => {
    experimentId = await newExperiment();
    for (let i = 0; i < 24; i++) {
      const lr = 10 ** -(1 + (i % 6));
      const optimizer = i % 4 < 2 ? 'adam' : 'sgd';
      const params = { lr: String(lr), optimizer, idle: String((i * 7919) % 101), same: 'x' };
      await newRun(experimentId, {
        params,
        metrics: [{ key: 'loss', value: i === 23 ? 'NaN' : Math.abs(Math.log10(lr) + 3) + (optimizer === 'sgd' ? 0.25 : 0) }],
      });
    }
  });

  it('are lines through parallel axes', async () => {
    const { parallelCoordinates } = await tess.ok<{
      parallelCoordinates: {
        axes: { key: string; kind: string; low: number | null; high: number | null; categories: string[]; direction: string | null }[];
        lines: { run: { params: { key: string; value: string }[] }; positions: (number | null)[]; texts: (string | null)[] }[];
      };
    }>(
      `query ($input: ParallelCoordinatesInput!) { parallelCoordinates(input: $input) {
        axes { source key kind low high categories direction } lines { run { params { key value } } positions texts } } }`,
      { input: { filter: { experimentIds: [experimentId] }, paramKeys: ['lr', 'optimizer'], metricKeys: ['loss'], limit: 20 } },
    );
    const { axes, lines } = parallelCoordinates;
    expect(axes).toMatchObject([
      { source: 'PARAMETER', key: 'lr', kind: 'LOG', low: 1e-6, high: 0.1, categories: [], direction: null },
      { key: 'optimizer', kind: 'CATEGORICAL', low: null, high: null, categories: ['adam', 'sgd'] },
      { source: 'METRIC', key: 'loss', kind: 'LINEAR', low: 0, direction: 'MINIMIZE' },
    ]);
    expect(lines.length).toBe(20);
    expect(lines[0]!.texts).toEqual(['0.000001', 'sgd', 'NaN']);
    expect(lines[0]!.positions[2]).toBeNull();
    for (const { run, positions } of lines) {
      const lr = Number(run.params.find(({ key }) => key === 'lr')!.value);
      expect(positions[0]).toBeCloseTo((Math.log10(lr) + 6) / 5, 9);
    }
  });

  it('tell which parameters moved a metric, the same every time', async () => {
    const query = `query ($input: ParameterImportanceInput!) { parameterImportance(input: $input) { metricKey method trees seed runCount runsLeftOut
      outOfBagR2 rest params { key kind importance standardDeviation permutation } interactions { keys importance } leftOut { key reason } } }`;
    const input = { filter: { experimentIds: [experimentId] }, metricKey: 'loss' };
    interface Answer {
      parameterImportance: {
        method: string;
        runCount: number;
        runsLeftOut: number;
        outOfBagR2: number;
        params: { key: string; kind: string; importance: number }[];
        leftOut: { key: string; reason: string }[];
      };
    }
    const startedMs = performance.now();
    const answer = await tess.ok<Answer>(query, { input });
    console.log(`importance over 24 runs: ${(performance.now() - startedMs).toFixed(0)} ms`);
    const { parameterImportance: found } = answer;
    expect(found).toMatchObject({ runCount: 23, runsLeftOut: 1, leftOut: [] });
    expect(found.method).toContain('Hutter');
    expect(found.params[0]).toMatchObject({ key: 'lr', kind: 'LOG' });
    expect(found.params[0]!.importance).toBeGreaterThan(0.7);
    expect(found.outOfBagR2).toBeGreaterThan(0.7);
    expect(await tess.ok<Answer>(query, { input })).toEqual(answer);
    const named = await tess.ok<Answer>(query, { input: { ...input, paramKeys: ['optimizer', 'same', 'absent'] } });
    expect(named.parameterImportance.leftOut).toEqual([
      { key: 'same', reason: 'the same in all runs' },
      { key: 'absent', reason: 'the same in all runs' },
    ]);
    const few = await tess.fails(query, { input: { ...input, metricKey: 'unknown' } });
    expect(few.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      expected: '10 to 1000 runs with a finite value of the metric',
      got: '"0"',
    });
  });
});
