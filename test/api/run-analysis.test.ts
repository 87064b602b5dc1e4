import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import { newExperiment, newRunOf } from '../support/runs.js';
import { ParallelCoordinatesDetailsDocument, ParameterImportanceDetailsDocument } from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

describe('many runs', () => {
  let experimentId: string;

  beforeAll(async () => {
    experimentId = await newExperiment(tess);
    for (let i = 0; i < 24; i++) {
      const lr = 10 ** -(1 + (i % 6));
      const optimizer = i % 4 < 2 ? 'adam' : 'sgd';
      const params = { lr: String(lr), optimizer, idle: String((i * 7919) % 101), same: 'x' };
      await newRunOf(tess, experimentId, {
        params,
        metrics: [
          { key: 'loss', value: i === 23 ? 'NaN' : Math.abs(Math.log10(lr) + 3) + (optimizer === 'sgd' ? 0.25 : 0) },
        ],
      });
    }
  });

  it('are lines on parallel axes', async () => {
    const { parallelCoordinates } = await tess.ok(ParallelCoordinatesDetailsDocument, {
      input: {
        filter: { experimentIds: [experimentId] },
        paramKeys: ['lr', 'optimizer'],
        metricKeys: ['loss'],
        limit: 20,
      },
    });
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

  it('show which parameters influenced a metric, the same every time', async () => {
    const input = { filter: { experimentIds: [experimentId] }, metricKey: 'loss' };
    const startedMs = performance.now();
    const answer = await tess.ok(ParameterImportanceDetailsDocument, { input });
    console.log(`importance over 24 runs: ${(performance.now() - startedMs).toFixed(0)} ms`);
    const { parameterImportance: found } = answer;
    expect(found).toMatchObject({ runCount: 23, runsLeftOut: 1, leftOut: [] });
    expect(found.method).toContain('Hutter');
    expect(found.params[0]).toMatchObject({ key: 'lr', kind: 'LOG' });
    expect(found.params[0]!.importance).toBeGreaterThan(0.7);
    expect(found.outOfBagR2).toBeGreaterThan(0.7);
    expect(await tess.ok(ParameterImportanceDetailsDocument, { input })).toEqual(answer);
    const named = await tess.ok(ParameterImportanceDetailsDocument, {
      input: { ...input, paramKeys: ['optimizer', 'same', 'absent'] },
    });
    expect(named.parameterImportance.leftOut).toEqual([
      { key: 'same', reason: 'the same in all runs' },
      { key: 'absent', reason: 'the same in all runs' },
    ]);
    const few = await tess.fails(ParameterImportanceDetailsDocument, { input: { ...input, metricKey: 'unknown' } });
    expect(few.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      expected: '10 to 1000 runs with a finite value of the metric',
      got: '0',
    });
  });
});
