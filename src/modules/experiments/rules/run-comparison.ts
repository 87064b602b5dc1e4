import { holmAdjusted, mean, compareGroups, type GroupDifference, inCodePoints } from '../../statistics/index.js';
import { isBetter, type MetricDirection } from './metric-direction.js';

/** Names of parameters that only set a random seed; upper or lower case does not matter. */
export const SEED_PARAMS = [
  'seed',
  'random_state',
  'random_seed',
  'randomstate',
  'randomseed',
  'rng_seed',
  'np_seed',
  'torch_seed',
  'manual_seed',
  'global_seed',
];

export interface Entry {
  key: string;
  value: string;
}

/** The values are in the order of the runs; null when a run has none. */
export interface ComparedTexts {
  differing: { key: string; values: (string | null)[] }[];
  equal: Entry[];
}

/** The entries that differ between the runs, and those that are the same in all; by key. */
export function compareTexts(runs: readonly (readonly Entry[])[]): ComparedTexts {
  const records = runs.map((entries) => new Map(entries.map(({ key, value }) => [key, value])));
  const keys = [...new Set(records.flatMap((record) => [...record.keys()]))].sort(inCodePoints);
  const compared: ComparedTexts = { differing: [], equal: [] };
  for (const key of keys) {
    const values = records.map((record) => record.get(key) ?? null);
    const [first] = values;
    if (first != null && values.every((value) => value === first)) compared.equal.push({ key, value: first });
    else compared.differing.push({ key, values });
  }
  return compared;
}

/** Null when there is no difference: the run or the baseline does not have the metric, or one of them is not finite. */
export interface MetricDifference {
  delta: number | null;
  /** Delta divided by the baseline's absolute value; null when the baseline is 0. */
  relativeDelta: number | null;
  isBest: boolean;
}

/**
 * Compares each run's value with the baseline's. All runs with the best finite value are marked best, when at least two
 * values exist.
 */
export function compareValues(
  values: readonly (number | null)[],
  baseline: number,
  direction: MetricDirection,
): MetricDifference[] {
  const finite = values.filter((value): value is number => value !== null && Number.isFinite(value));
  const best = finite.reduce<number | null>(
    (found, value) => (found === null || isBetter(direction, value, found) ? value : found),
    null,
  );
  const reference = values[baseline] ?? null;
  return values.map((value) => {
    const delta = value === null || reference === null ? NaN : value - reference;
    const relative = delta / Math.abs(reference ?? NaN);
    return {
      delta: Number.isFinite(delta) ? delta : null,
      relativeDelta: Number.isFinite(delta) && Number.isFinite(relative) ? relative : null,
      isBest: finite.length > 1 && value !== null && value === best,
    };
  });
}

/** Runs, as indexes, that differ only by chance. */
export interface RunGroup {
  runs: number[];
  /** The parameters that differ between the groups. */
  params: Entry[];
  /** Values of the seed parameters, one per run; null when a run has none. */
  seeds: (string | null)[];
}

/** Groups of runs with the same parameters except seeds, in the order of their first runs. */
export function groupBySeed(runs: readonly (readonly Entry[])[], seedParams: readonly string[]): RunGroup[] {
  const names = new Set(seedParams.map((name) => name.toLowerCase()));
  const isSeed = ({ key }: Entry): boolean => names.has(key.toLowerCase());
  const settings = runs.map((entries) =>
    entries.filter((entry) => !isSeed(entry)).sort((a, b) => inCodePoints(a.key, b.key)),
  );
  const groups = Map.groupBy(runs.keys(), (run) =>
    JSON.stringify(settings[run]!.map(({ key, value }) => [key, value])),
  );
  const { differing } = compareTexts(settings);
  return [...groups.values()].map((members) => ({
    runs: members,
    params: differing.flatMap(({ key, values }) =>
      values[members[0]!] === null ? [] : [{ key, value: values[members[0]!]! }],
    ),
    seeds: members.map(
      (run) =>
        runs[run]!.filter(isSeed)
          .map(({ value }) => value)
          .join(', ') || null,
    ),
  }));
}

export interface GroupComparison {
  /** Index of the group. */
  group: number;
  mean: number | null;
  baselineMean: number | null;
  result: (GroupDifference & { pValueAdjusted: number }) | null;
  /** Why no result exists. */
  reason: string | null;
}

/**
 * Compares each group's metric with that of the baseline's group. The p-values are adjusted over the groups by Holm's
 * method.
 */
export function testGroups(
  values: readonly (number | null)[],
  groups: readonly RunGroup[],
  baselineGroup: number,
): GroupComparison[] {
  const valuesOf = ({ runs }: RunGroup): number[] => runs.flatMap((run) => values[run] ?? []);
  const baseline = valuesOf(groups[baselineGroup]!);
  const tested = [...groups.keys()]
    .filter((group) => group !== baselineGroup)
    .map((group) => ({
      group,
      own: valuesOf(groups[group]!),
      test: compareGroups(valuesOf(groups[group]!), baseline),
    }));
  const adjusted = holmAdjusted(tested.flatMap(({ test }) => ('result' in test ? [test.result.pValue] : [])));
  let next = 0;
  return tested.map(({ group, own, test }) => ({
    group,
    mean: own.length > 0 ? mean(own) : null,
    baselineMean: baseline.length > 0 ? mean(baseline) : null,
    result: 'result' in test ? { ...test.result, pValueAdjusted: adjusted[next++]! } : null,
    reason: 'reason' in test ? test.reason : null,
  }));
}
