import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import {
  CreateRunDocument,
  FollowRunMetricsDocument,
  LogMetricsDocument,
  SearchRunsDocument,
  type RunOrderInput,
  type SearchRunsQuery,
} from '../../schema/generated/operations.js';
import {
  CreateExperimentDetailsDocument,
  type ExperimentState,
  ExperimentsIdDocument,
  LogParamsDetailsDocument,
  RunForRunDocument,
  RunKeyValueStepDocument,
  RunsWithWhatTheyLoggedDocument,
  UpdateExperimentStateDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

async function newRun(name = 'r'): Promise<string> {
  const { createExperiment } = await tess.ok(CreateExperimentDetailsDocument, {
    input: { name: `e-${Math.random()}` },
  });
  const { createRun } = await tess.ok(CreateRunDocument, {
    input: { experimentId: createExperiment.experiment.id, name, params: [{ key: 'lr', value: '0.1' }] },
  });
  return createRun.run.id;
}

describe('metrics of a run', () => {
  it('are logged once, however often the call is repeated, and keep NaN and infinities', async () => {
    const runId = await newRun();
    const loggedAt = '2026-01-01T00:00:00.000Z';
    const metrics = [
      { key: 'loss', value: 0.5, step: 1, loggedAt },
      { key: 'loss', value: 'NaN', step: 2, loggedAt },
      { key: 'loss', value: 'Infinity', step: 3, loggedAt },
      { key: 'f1', value: 0.25, step: 1, loggedAt },
    ];
    expect(await tess.ok(LogMetricsDocument, { input: { runId, metrics } })).toEqual({ logMetrics: { addedCount: 4 } });
    expect(await tess.ok(LogMetricsDocument, { input: { runId, metrics } })).toEqual({ logMetrics: { addedCount: 0 } });
    const { run } = await tess.ok(RunKeyValueStepDocument, { id: runId });
    expect(run.params).toEqual([{ key: 'lr', value: '0.1' }]);
    expect(run.metrics).toEqual([
      { key: 'f1', value: 0.25, step: 1 },
      { key: 'loss', value: 'Infinity', step: 3 },
    ]);
    expect(run.metricHistory).toEqual([
      { step: 1, value: 0.5 },
      { step: 2, value: 'NaN' },
      { step: 3, value: 'Infinity' },
    ]);
  });

  it('are sent to a subscriber, past ones first, and continue after a sequence number', async () => {
    const runId = await newRun();
    await tess.ok(LogMetricsDocument, {
      input: { runId, metrics: [1, 2, 3].map((step) => ({ key: 'loss', value: 1 / step, step })) },
    });
    const following = tess.collect(FollowRunMetricsDocument, { runId, after: 1 }, (items) => items.length === 5);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await tess.ok(LogMetricsDocument, {
      input: { runId, metrics: [4, 5, 6].map((step) => ({ key: 'loss', value: 1 / step, step })) },
    });
    expect((await following).map((point) => point.step)).toEqual([2, 3, 4, 5, 6]);
  });

  it('keep the peaks when reduced in the database', async () => {
    const runId = await newRun();
    const metrics = Array.from({ length: 5000 }, (_, step) => ({
      key: 'm',
      value: step === 3333 ? 99 : Math.sin(step / 50),
      step,
    }));
    await tess.ok(LogMetricsDocument, { input: { runId, metrics } });
    const { run } = await tess.ok(RunForRunDocument, { id: runId });
    expect(run.metricHistory.length).toBeLessThanOrEqual(101);
    expect(run.metricHistory.length).toBeGreaterThan(80);
    expect(run.metricHistory.find((point) => point.value === 99)?.step).toBe(3333);
  });

  it('refuse wrong input with the field, what was expected and what was given', async () => {
    const runId = await newRun();
    const negative = await tess.fails(LogMetricsDocument, {
      input: { runId, metrics: [{ key: 'loss', value: 1, step: -1 }] },
    });
    expect(negative.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.metrics[0].step', got: '-1' });
    const fractional = await tess.fails(LogMetricsDocument, {
      input: { runId, metrics: [{ key: 'loss', value: 1, step: 0.5 }] },
    });
    expect(fractional.extensions.code).toBe('BAD_USER_INPUT');
    expect(fractional.message).toContain('input.metrics[0].step');
    const changed = await tess.fails(LogParamsDetailsDocument, {
      input: { runId, params: [{ key: 'lr', value: '0.2' }] },
    });
    expect(changed.extensions).toMatchObject({ code: 'CONFLICT', expected: '0.1', got: '0.2' });
    const foreign = await (
      await service.as({ tenant: 'other' })
    ).fails(LogMetricsDocument, { input: { runId, metrics: [{ key: 'loss', value: 1 }] } });
    expect(foreign.extensions.code).toBe('NOT_FOUND');
  });
});

describe('a deleted experiment', () => {
  it('accepts no new runs, is not in the list, and can be restored', async () => {
    const { createExperiment } = await tess.ok(CreateExperimentDetailsDocument, { input: { name: 'aside' } });
    const { id } = createExperiment.experiment;
    const put = (state: ExperimentState) => tess.ok(UpdateExperimentStateDocument, { input: { id, state } });
    const listed = async () =>
      (await tess.ok(ExperimentsIdDocument, { filter: { search: 'aside' } })).experiments.nodes;
    expect(await put('DELETED')).toEqual({ updateExperiment: { experiment: { state: 'DELETED' } } });
    expect(await listed()).toEqual([]);
    const refused = await tess.fails(CreateRunDocument, { input: { experimentId: id } });
    expect(refused.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.experimentId',
      expected: 'an active experiment',
    });
    await put('ACTIVE');
    expect(await listed()).toEqual([{ id }]);
  });
});

describe('lists of runs', () => {
  it('filter by parameter and metric, and page through all without a gap', async () => {
    const ids = [];
    for (let i = 0; i < 7; i++) {
      const id = await newRun(`paged-${i}`);
      await tess.ok(LogMetricsDocument, { input: { runId: id, metrics: [{ key: 'score', value: i }] } });
      ids.push(id);
    }
    const seen: string[] = [];
    const orderBy: RunOrderInput[] = [{ field: 'NAME', direction: 'ASC' }];
    let after: string | null = null;
    for (;;) {
      const { runs }: SearchRunsQuery = await tess.ok(SearchRunsDocument, {
        first: 2,
        after,
        filter: { search: 'PAGED-', params: [{ key: 'lr', value: '0.1' }], metrics: [{ key: 'score', min: 2 }] },
        orderBy,
      });
      expect(runs.totalCount).toBe(5);
      seen.push(...runs.nodes.map((node) => node.id));
      if (!runs.pageInfo.hasNextPage) break;
      after = runs.pageInfo.endCursor;
    }
    expect(seen).toEqual(ids.slice(2));
    const forged = await tess.fails(SearchRunsDocument, {
      first: 2,
      after: Buffer.from('["name","DESC","x","y"]').toString('base64url'),
      filter: { search: 'PAGED-', params: [{ key: 'lr', value: '0.1' }], metrics: [{ key: 'score', min: 2 }] },
      orderBy: [{ field: 'NAME', direction: 'ASC' }],
    });
    expect(forged.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'after' });
  });

  it('need the same few statements for one run as for many', async () => {
    const count = async (n: number) => {
      service.statements.length = 0;
      await tess.ok(RunsWithWhatTheyLoggedDocument, { first: n });
      return service.statements.filter(
        (sql) => /^select/i.test(sql) && /\b(run|experiment|run_param|run_tag|metric_latest)\b/.test(sql),
      ).length;
    };
    expect(await count(1)).toBe(5);
    expect(await count(50)).toBe(5);
  });
});
