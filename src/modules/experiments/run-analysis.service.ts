import type { Session } from '../../db/database.js';
import type { Run } from '../../db/entities/experiments/run.entity.js';
import { guessDirection, type MetricDirection } from './rules/metric-direction.js';
import {
  axisPositions,
  numberAxis,
  paramAxis,
  type AxisKind,
  type ParamAxis,
  IMPORTANCE_TREES,
  MAX_IMPORTANCE_PARAMS,
  MAX_IMPORTANCE_RUNS,
  type ParameterImportance,
} from '../statistics/index.js';
import type { ImportanceAnalyst } from '../../adapters/evaluator/port.js';
import type { RunSearchService } from './run-search.service.js';
import { latestValues, newestRuns, paramColumns, type RunChoice } from './run-table.js';

export const MAX_AXES = 50;
export const MAX_METRIC_AXES = 10;

export interface ParallelCoordinatesInput extends RunChoice {
  paramKeys?: string[] | null;
  metricKeys: string[];
  limit: number;
}

export interface CoordinateAxis {
  source: 'PARAMETER' | 'METRIC';
  key: string;
  kind: AxisKind;
  low: number | null;
  high: number | null;
  categories: string[];
  /** Null for a parameter. */
  direction: MetricDirection | null;
}

export interface ParallelCoordinates {
  axes: CoordinateAxis[];
  lines: { run: Run; positions: (number | null)[]; texts: (string | null)[] }[];
}

export interface ImportanceInput extends RunChoice {
  metricKey: string;
  paramKeys?: string[] | null;
  seed: number;
}

export interface ImportanceReport extends ParameterImportance {
  metricKey: string;
  trees: number;
  seed: number;
  runCount: number;
  runsLeftOut: number;
}

/** Computes which parameters matter, over many runs. */
export class RunAnalysisService {
  constructor(
    private readonly search: RunSearchService,
    private readonly analyst: ImportanceAnalyst,
  ) {}

  async parallelCoordinates(session: Session, input: ParallelCoordinatesInput): Promise<ParallelCoordinates> {
    const { limit } = input;
    const metricKeys = unique(input.metricKeys);
    const paramKeys = input.paramKeys && unique(input.paramKeys);
    const found = await newestRuns(session, this.search, input, limit);
    const ids = found.map(({ id }) => id);
    const columns: { axis: CoordinateAxis; positions: (number | null)[]; texts: (string | null)[] }[] = [];
    for (const { key, texts } of await paramColumns(session, ids, paramKeys ?? null, MAX_AXES)) {
      const axis = paramAxis(texts);
      columns.push({ axis: shown('PARAMETER', key, axis, null), positions: axisPositions(axis), texts });
    }
    for (const key of metricKeys) {
      const values = await latestValues(session, ids, key);
      const axis = numberAxis(values);
      const texts = values.map((value) => (value === null ? null : String(value)));
      columns.push({ axis: shown('METRIC', key, axis, guessDirection(key)), positions: axisPositions(axis), texts });
    }
    return {
      axes: columns.map(({ axis }) => axis),
      lines: found.map((run, i) => ({
        run,
        positions: columns.map(({ positions }) => positions[i]!),
        texts: columns.map(({ texts }) => texts[i]!),
      })),
    };
  }

  /** Reads in one transaction and computes after it, so that no database connection is held during the computation. */
  async importance(
    read: <T>(work: (session: Session) => Promise<T>) => Promise<T>,
    input: ImportanceInput,
  ): Promise<ImportanceReport> {
    const { metricKey, seed } = input;
    const paramKeys = input.paramKeys && unique(input.paramKeys);
    const table = await read(async (session) => {
      const found = await newestRuns(session, this.search, input, MAX_IMPORTANCE_RUNS);
      const all = found.map(({ id }) => id);
      const values = await latestValues(session, all, metricKey);
      const isUsable = (i: number): boolean => Number.isFinite(values[i] ?? NaN);
      const ids = all.filter((_, i) => isUsable(i));
      const params = await paramColumns(session, ids, paramKeys ?? null, 4 * MAX_IMPORTANCE_PARAMS);
      return {
        params,
        metric: values.filter((value, i): value is number => isUsable(i) && value !== null),
        runCount: all.length,
      };
    });
    const answer = await this.analyst.importance({
      params: table.params,
      metric: table.metric,
      trees: IMPORTANCE_TREES,
      seed,
    });
    const runCount = table.metric.length;
    const { params, ...rest } = answer;
    return {
      ...rest,
      params,
      metricKey,
      trees: IMPORTANCE_TREES,
      seed,
      runCount,
      runsLeftOut: table.runCount - runCount,
    };
  }
}

const unique = (keys: readonly string[]): string[] => [...new Set(keys)];

function shown(
  source: CoordinateAxis['source'],
  key: string,
  axis: ParamAxis,
  direction: MetricDirection | null,
): CoordinateAxis {
  const { kind, low, high, categories } = axis;
  const hasNumbers = kind !== 'CATEGORICAL' && axis.values.some((value) => value !== null);
  return { source, key, kind, low: hasNumbers ? low : null, high: hasNumbers ? high : null, categories, direction };
}
