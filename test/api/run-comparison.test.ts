import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import { newExperiment, newRunOf } from '../support/runs.js';
import { LogMetricsDocument } from '../../schema/generated/operations.js';
import {
  CompareRunsDetailsDocument,
  CompareRunsForRunComparison2Document,
  CompareRunsForRunComparisonDocument,
  RunDetailsDocument,
  type CurveAxis,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

async function curvesOf(runIds: string[], options: { axis?: CurveAxis; maxPoints?: number } = {}) {
  const { compareRuns } = await tess.ok(CompareRunsForRunComparison2Document, {
    input: { runIds },
    ...options,
  });
  const { places, series } = compareRuns.curves[0]!;
  return { places: places.map(Number), series };
}

describe('compared runs', () => {
  it('show what differs, against the baseline, and which is best', async () => {
    const experimentId = await newExperiment(tess);
    const first = await newRunOf(tess, experimentId, {
      params: { lr: '0.1', depth: '3' },
      metrics: [
        { key: 'loss', value: 0.5, step: 3 },
        { key: 'accuracy', value: 0.8 },
        { key: 'odd', value: 'NaN' },
      ],
    });
    const second = await newRunOf(tess, experimentId, {
      params: { lr: '0.2', depth: '3', extra: 'yes' },
      metrics: [
        { key: 'loss', value: 0.25, step: 4 },
        { key: 'accuracy', value: 0.6 },
        { key: 'odd', value: 1 },
      ],
    });
    const { compareRuns } = await tess.ok(CompareRunsForRunComparisonDocument, {
      input: { runIds: [first, second], directions: [{ key: 'odd', direction: 'MINIMIZE' }] },
    });
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
            {
              run: { id: second },
              value: 0.6,
              step: 0,
              delta: 0.6 - 0.8,
              relativeDelta: (0.6 - 0.8) / 0.8,
              isBest: false,
            },
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

  it('are tested for significance when seeds were repeated', async () => {
    const experimentId = await newExperiment(tess);
    const losses = { adam: [0.41, 0.39, 0.4, 0.42], sgd: [0.55, 0.52, 0.57, 0.53] };
    const runIds: string[] = [];
    for (const [optimizer, values] of Object.entries(losses)) {
      for (const [i, value] of values.entries())
        runIds.push(
          await newRunOf(tess, experimentId, {
            params: { optimizer, random_state: String(i) },
            metrics: [
              { key: 'loss', value },
              { key: 'constant', value: 1 },
            ],
          }),
        );
    }
    const { compareRuns } = await tess.ok(CompareRunsDetailsDocument, { input: { runIds } });
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
          result: {
            pValue: number;
            hedgesG: number;
            hedgesGInterval: { low: number; high: number };
            difference: number;
          } | null;
        },
    );
    expect(constant).toMatchObject({ result: null, reason: 'the values of a group do not vary' });
    expect(loss).toMatchObject({ group: { params: [{ key: 'optimizer', value: 'sgd' }] }, reason: null });
    expect(loss!.method).toContain('Welch');
    expect(loss!.result!.difference).toBeCloseTo(0.1375, 12);
    expect(loss!.result!.pValue).toBeLessThan(0.001);
    expect(loss!.result!.hedgesGInterval.low).toBeGreaterThan(0.8);
    expect(loss!.result!.hedgesGInterval.high).toBeGreaterThan(loss!.result!.hedgesG);
    // With other seed parameters, every run is a group of its own.
    const alone = await tess.ok(CompareRunsDetailsDocument, { input: { runIds, seedParams: ['nothing'] } });
    expect(alone.compareRuns.groups.length).toBe(8);
  });

  it('refuse what cannot be compared', async () => {
    const experimentId = await newExperiment(tess);
    const runIds = [await newRunOf(tess, experimentId, {}), await newRunOf(tess, experimentId, {})];
    const refused = async (input: object) => (await tess.fails(CompareRunsDetailsDocument, { input })).extensions;
    expect(await refused({ runIds: [runIds[0]] })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.runIds',
      expected: '2 to 20 runs',
    });
    expect(await refused({ runIds: [runIds[0], runIds[0]] })).toMatchObject({ expected: 'each run once' });
    const other = await newRunOf(tess, experimentId, {});
    expect(await refused({ runIds, baselineRunId: other })).toMatchObject({
      field: 'input.baselineRunId',
      expected: 'one of the compared runs',
    });
    const curves = await tess.fails(CompareRunsForRunComparison2Document, { input: { runIds }, maxPoints: 1 });
    expect(curves.extensions).toMatchObject({ field: 'maxPoints' });
  });
});

describe('curves of compared runs', () => {
  it('have common steps, and null where nothing was logged', async () => {
    const experimentId = await newExperiment(tess);
    const loss = (values: [number, number | string][]) => ({
      metrics: values.map(([step, value]) => ({ key: 'loss', value, step })),
    });
    const first = await newRunOf(
      tess,
      experimentId,
      loss([
        [0, 1],
        [10, 0.5],
        [20, 'NaN'],
      ]),
    );
    const second = await newRunOf(
      tess,
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
        {
          run: { id: second },
          values: [null, 0.75, null, 0.25],
          lows: [null, 0.75, null, 0.25],
          highs: [null, 0.75, null, 0.25],
        },
      ],
    });
  });

  it('are reduced on one grid, and keep their peaks', async () => {
    const experimentId = await newExperiment(tess);
    const points = (count: number, every: number, peak: number) => ({
      metrics: Array.from({ length: count }, (_, i) => ({
        key: 'loss',
        value: i === peak ? 99 : Math.sin(i / 50),
        step: i * every,
      })),
    });
    const first = await newRunOf(tess, experimentId, points(6000, 1, 3333));
    const second = await newRunOf(tess, experimentId, points(300, 20, 10));
    const { places, series } = await curvesOf([first, second], { maxPoints: 100 });
    expect(places.length).toBe(100);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places.at(-1)).toBe(5999);
    expect(series.map(({ values }) => values.filter((value) => value !== null).length)).toEqual([100, 100]);
    expect(series.map(({ highs }) => highs.filter((value) => value === 99).length)).toEqual([1, 1]);
    const peak = series[0]!.highs.indexOf(99);
    expect(places[peak - 1]! < 3333 && 3333 <= places[peak]!).toBe(true);
  });

  it('can be shown over the time since each run began', async () => {
    const experimentId = await newExperiment(tess);
    const run = async () => {
      const id = await newRunOf(tess, experimentId, {});
      const { run: made } = await tess.ok(RunDetailsDocument, { id });
      const at = (seconds: number) => new Date(Date.parse(made.startedAt) + seconds * 1000).toISOString();
      const metrics = [1, 2, 4].map((seconds) => ({
        key: 'loss',
        value: 1 / seconds,
        step: seconds,
        loggedAt: at(seconds),
      }));
      await tess.ok(LogMetricsDocument, { input: { runId: id, metrics } });
      return id;
    };
    const { places, series } = await curvesOf([await run(), await run()], { axis: 'TIME' });
    expect(places).toEqual([1, 2, 4]);
    series.forEach(({ values }) => expect(values).toEqual([1, 0.5, 0.25]));
  });
});
