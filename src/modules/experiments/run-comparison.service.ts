import { setImmediate } from 'node:timers/promises';
import type { Session } from '../../db/database.js';
import type { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import { guessDirection, type MetricDirection } from './rules/metric-direction.js';
import { inCodePoints } from '../statistics/index.js';
import {
  compareTexts,
  compareValues,
  groupBySeed,
  SEED_PARAMS,
  testGroups,
  type ComparedTexts,
  type Entry,
  type GroupComparison,
  type MetricDifference,
} from './rules/run-comparison.js';
import { SHOWN_AS_FIELDS } from './rules/run-tags.js';
import { badInput, notFound } from '../../errors.js';
import { metricCurves, type CurveAxis, type MetricCurves } from './stores/metric-curves.js';
import { entriesOf, MAX_COMPARED_KEYS } from './run-table.js';
import { datasetsOfRuns } from './stores/datasets.js';
import { latestOfRuns, type LatestValue } from './stores/metrics.js';
import type { InputRange } from '../core/index.js';

export const MAX_COMPARED_RUNS = 20;
/** Metrics that are tested by default; each test takes one or two milliseconds. */
export const MAX_TESTED_METRICS = 50;
export const CURVES: InputRange = { min: 1, max: 20, unit: 'metrics' };
export const CURVE_POINTS: InputRange = { min: 2, max: 2_000, unit: 'positions' };

export interface CompareRunsInput {
  runIds: string[];
  baselineRunId?: string | null;
  metricKeys?: string[] | null;
  directions?: { key: string; direction: MetricDirection }[] | null;
  seedParams?: string[] | null;
}

export interface ComparedGroup {
  runs: Run[];
  params: Entry[];
  seeds: (string | null)[];
}

export interface ComparedMetric {
  key: string;
  direction: MetricDirection;
  values: ({ run: Run; value: number | null; step: number | null } & MetricDifference)[];
  /** Computed only when the client asks for it. */
  significance(): Promise<(Omit<GroupComparison, 'group'> & { group: ComparedGroup })[]>;
}

export interface ComparedDataset {
  use: 'TRAINING' | 'EVALUATION' | 'BATCH_INPUT' | 'INPUT' | 'OUTPUT';
  name: string;
  digest: string;
  datasetId: Dataset['id'] | null;
  usedBy: boolean[];
}

export interface RunComparison {
  runs: Run[];
  baseline: Run;
  params: ComparedTexts;
  tags: ComparedTexts;
  metrics: ComparedMetric[];
  groups: ComparedGroup[];
  datasets: ComparedDataset[];
  isCut: boolean;
}

/** Compares runs. */
export class RunComparisonService {
  async compare(session: Session, input: CompareRunsInput): Promise<RunComparison> {
    const { runIds } = input;
    checkRunIds(runIds);
    const runs = await this.runsOf(session, runIds);
    const baseline = input.baselineRunId == null ? 0 : await this.baselineOf(session, runIds, input.baselineRunId);
    const params = await entriesOf(session, 'run_param', runIds);
    const tags = await entriesOf(session, 'run_tag', runIds);
    const found = await latestOf(session, runIds, input.metricKeys ?? null);
    const groups = groupBySeed(params.entries, input.seedParams ?? SEED_PARAMS);
    const shown = groups.map((group): ComparedGroup => ({ ...group, runs: group.runs.map((i) => runs[i]!) }));
    const baselineGroup = groups.findIndex((group) => group.runs.includes(baseline));
    const directions = new Map((input.directions ?? []).map(({ key, direction }) => [key, direction]));
    // Tests run one after the other, so that other requests run in between.
    let turn: Promise<unknown> = Promise.resolve();
    const metrics = found.metrics.map(({ key, rows }, n): ComparedMetric => {
      const direction = directions.get(key) ?? guessDirection(key);
      const values = rows.map((row) => row?.value ?? null);
      const differences = compareValues(values, baseline, direction);
      const test = () => testGroups(values, groups, baselineGroup).map((one) => ({ ...one, group: shown[one.group]! }));
      return {
        key,
        direction,
        values: differences.map((difference, i) => ({
          run: runs[i]!,
          value: values[i]!,
          step: rows[i]?.step ?? null,
          ...difference,
        })),
        significance: async () => {
          if (n >= MAX_TESTED_METRICS)
            throw badInput('input.metricKeys', `at most ${MAX_TESTED_METRICS} metrics to test`, found.metrics.length);
          const before = turn;
          const tested = before.then(() => setImmediate()).then(test);
          // A failed test rejects only its own promise, and the next test runs.
          turn = tested.catch(() => undefined);
          return tested;
        },
      };
    });
    return {
      runs,
      baseline: runs[baseline]!,
      params: compareTexts(params.entries),
      tags: compareTexts(tags.entries.map((own) => own.filter(({ key }) => !SHOWN_AS_FIELDS.includes(key)))),
      metrics,
      groups: shown,
      datasets: await datasetsOf(session, runIds),
      isCut: params.isCut || tags.isCut || found.isCut,
    };
  }

  curves(
    session: Session,
    runIds: string[],
    metricKeys: string[],
    axis: CurveAxis,
    maxPoints: number,
  ): Promise<MetricCurves[]> {
    const keys = [...new Set(metricKeys)];
    return metricCurves(session, runIds, keys, axis, maxPoints);
  }

  private async runsOf(session: Session, runIds: readonly string[]): Promise<Run[]> {
    const found = await session.em.find(Run, { tenant: session.tenant, id: { $in: [...runIds] } });
    const byId = new Map(found.map((run) => [run.id, run]));
    return runIds.map((id) => {
      const run = byId.get(id);
      if (!run) throw notFound('run', id);
      return run;
    });
  }

  private async baselineOf(session: Session, runIds: readonly string[], id: string): Promise<number> {
    const index = runIds.indexOf(id);
    if (index >= 0) return index;
    await this.runsOf(session, [id]);
    throw badInput('input.baselineRunId', 'one of the compared runs', id);
  }
}

function checkRunIds(runIds: readonly string[]): void {
  const again = runIds.find((id, i) => runIds.indexOf(id) < i);
  if (again) throw badInput('input.runIds', 'each run once', again);
}

/** The newest value of each metric, in the order of the runs: of the named metrics, or of the first 500 by name. */
async function latestOf(
  session: Session,
  runIds: readonly string[],
  keys: readonly string[] | null,
): Promise<{ metrics: { key: string; rows: (LatestValue | undefined)[] }[]; isCut: boolean }> {
  const rows = await latestOfRuns(session, runIds, keys, MAX_COMPARED_KEYS + 1);
  const byKey = Map.groupBy(rows, ({ key }) => key);
  const names = keys ? [...new Set(keys)] : [...byKey.keys()].sort(inCodePoints);
  return {
    metrics: names.slice(0, MAX_COMPARED_KEYS).map((key) => {
      const byRun = new Map((byKey.get(key) ?? []).map((row) => [row.runId, row]));
      return { key, rows: runIds.map((id) => byRun.get(id)) };
    }),
    isCut: names.length > MAX_COMPARED_KEYS,
  };
}

/** Registered datasets that runs used, and data that their clients logged. */
async function datasetsOf(session: Session, runIds: readonly string[]): Promise<ComparedDataset[]> {
  const rows = await datasetsOfRuns(session, runIds, MAX_COMPARED_KEYS);
  return rows.map(({ runIds: users, ...dataset }) => ({ ...dataset, usedBy: runIds.map((id) => users.includes(id)) }));
}
