import { badInput } from '../../../errors.js';
import { decomposeVariance } from './fanova.js';
import { growForest, MAX_CATEGORIES, type ForestColumn } from './regression-forest.js';
import { type AxisKind, paramAxis, type ParamAxis, unitFor } from './param-axis.js';

export const MIN_IMPORTANCE_RUNS = 10;
export const MAX_IMPORTANCE_RUNS = 1_000;
export const MAX_IMPORTANCE_PARAMS = 50;
export const IMPORTANCE_TREES = 64;
/**
 * Pairs are made of the parameters with the greatest permutation importance, which also shows effects that exist only
 * together.
 */
const PAIRED_PARAMS = 8;
const MAX_INTERACTIONS = 10;
/** Numbers with at most this many different values are a grid; all values are equally likely. */
const GRID_VALUES = 10;

export const IMPORTANCE_METHOD =
  'functional ANOVA of a random forest (fANOVA: Hutter, Hoos and Leyton-Brown 2014), with out-of-bag ' +
  'permutation importance (Breiman 2001)';

export const RANKS_METHOD = `${IMPORTANCE_METHOD}; of the ranks of the metric's values, whose squares are beyond 64 bits`;

/** One value per run; null when a run does not have the parameter. */
export interface ImportanceParam {
  key: string;
  texts: (string | null)[];
}

export interface ImportanceRequest {
  /** The first fifty that can be used are used. */
  params: ImportanceParam[];
  /** Finite. */
  metric: number[];
  trees: number;
  seed: number;
}

export interface ParameterImportance {
  method: string;
  outOfBagR2: number | null;
  /** Greatest first. */
  params: { key: string; kind: AxisKind; importance: number; standardDeviation: number; permutation: number }[];
  /** The ten greatest of those that were computed. */
  interactions: { keys: [string, string]; importance: number; standardDeviation: number }[];
  /** The fraction of the variance in interactions of three or more parameters, and of pairs that are not listed. */
  rest: number;
  leftOut: { key: string; reason: string }[];
}

/**
 * How much each parameter changed a metric. Errors: BAD_USER_INPUT when there are too few runs, or when they do not
 * differ.
 */
export function parameterImportance({ params, metric, trees, seed }: ImportanceRequest): ParameterImportance {
  checkRuns(metric);
  const leftOut: ParameterImportance['leftOut'] = [];
  const used: { key: string; kind: AxisKind; column: ForestColumn }[] = [];
  for (const { key, texts } of params) {
    const axis = paramAxis(texts);
    const column = toColumn(axis);
    if (typeof column === 'string') leftOut.push({ key, reason: column });
    else if (used.length === MAX_IMPORTANCE_PARAMS)
      leftOut.push({ key, reason: `only ${MAX_IMPORTANCE_PARAMS} are looked at` });
    else used.push({ key, kind: axis.kind, column });
  }
  if (used.length === 0) throw badInput('params', 'a parameter that differs between the runs', 'none that does');
  const columns = used.map(({ column }) => column);
  const isRanked = unitFor(minOf(metric), maxOf(metric)) !== 1;
  const forest = growForest(columns, Float64Array.from(isRanked ? ranksOf(metric) : metric), { trees, seed });
  const { mainEffects, interactions } = decomposeVariance(forest.trees, columns, pairsOf(forest.permutation));
  const listed = interactions.sort((a, b) => b.share - a.share).slice(0, MAX_INTERACTIONS);
  const explained = [...mainEffects, ...listed].reduce((total, { share }) => total + share, 0);
  return {
    method: isRanked ? RANKS_METHOD : IMPORTANCE_METHOD,
    outOfBagR2: forest.outOfBagR2,
    params: used
      .map(({ key, kind }, c) => ({
        key,
        kind,
        importance: mainEffects[c]!.share,
        standardDeviation: mainEffects[c]!.standardDeviation,
        permutation: forest.permutation[c]!,
      }))
      .sort((a, b) => b.importance - a.importance),
    interactions: listed.map(({ columns: [a, b], share, standardDeviation }) => ({
      keys: [used[a]!.key, used[b]!.key],
      importance: share,
      standardDeviation,
    })),
    rest: Math.max(0, 1 - explained),
    leftOut,
  };
}

const minOf = (values: readonly number[]) => values.reduce((least, value) => Math.min(least, value));
const maxOf = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value));

/** Ranks from 0; equal values have the same rank. */
function ranksOf(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  const ranks = new Map(sorted.toReversed().map((value, i) => [value, sorted.length - 1 - i]));
  return values.map((value) => ranks.get(value)!);
}

function checkRuns(metric: readonly number[]): void {
  if (metric.length < MIN_IMPORTANCE_RUNS || metric.length > MAX_IMPORTANCE_RUNS) {
    const expected = `${MIN_IMPORTANCE_RUNS} to ${MAX_IMPORTANCE_RUNS} runs with a finite value of the metric`;
    throw badInput('filter', expected, metric.length);
  }
  if (metric.every((value) => value === metric[0]))
    throw badInput('metricKey', 'a metric that differs between the runs', metric[0]);
}

function pairsOf(permutation: Float64Array): [number, number][] {
  const top = [...permutation.keys()].sort((a, b) => permutation[b]! - permutation[a]!).slice(0, PAIRED_PARAMS);
  return top.flatMap((a, i) => top.slice(i + 1).map((b): [number, number] => [Math.min(a, b), Math.max(a, b)]));
}

/** A parameter as a column for the forest, or the reason why it cannot be used. */
function toColumn(axis: ParamAxis): ForestColumn | string {
  const isPartial = axis.values.includes(null);
  const distinct = new Set(axis.values).size;
  if (distinct < 2) return 'the same in all runs';
  if (axis.kind === 'CATEGORICAL') {
    if (distinct > axis.values.length / 2) return 'a text of its own in most runs';
    if (distinct > MAX_CATEGORIES) return `more than ${MAX_CATEGORIES} different texts`;
    const absent = axis.categories.length;
    return { kind: 'CATEGORIES', values: Float64Array.from(axis.values, (value) => value ?? absent), count: distinct };
  }
  if (distinct <= GRID_VALUES || (axis.kind === 'LINEAR' && axis.values.some(isExtreme)))
    return gridColumn(axis.values);
  const scale = axis.kind === 'LOG' ? Math.log : (value: number) => value;
  const [from, high] = [scale(axis.low), scale(axis.high)];
  if (!isPartial)
    return { kind: 'ORDERED', values: Float64Array.from(axis.values, (value) => scale(value!)), low: from, high };
  // "Absent" gets an interval below the numbers, as wide as it is frequent.
  const absent = axis.values.filter((value) => value === null).length;
  const low = from - ((high - from) * absent) / (axis.values.length - absent);
  const values = Float64Array.from(axis.values, (value) => (value === null ? low : scale(value)));
  return { kind: 'ORDERED', values, low, high, present: from };
}

/** With such a value, fractions of the range are not exact enough. */
const isExtreme = (value: number | null) => value !== null && unitFor(value, value) !== 1;

/** Ranks of the values; "absent" comes first. */
function gridColumn(values: readonly (number | null)[]): ForestColumn {
  const ranks = new Map(
    [...new Set(values)].sort((a, b) => (a ?? -Infinity) - (b ?? -Infinity)).map((value, rank) => [value, rank]),
  );
  return {
    kind: 'ORDERED',
    values: Float64Array.from(values, (value) => ranks.get(value)!),
    low: -0.5,
    high: ranks.size - 0.5,
    grid: true,
  };
}
