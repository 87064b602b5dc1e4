import { FULL_WEIGHT_BPS } from '../../core/index.js';
import {
  betaPosterior,
  chiSquareContingency,
  compareArms,
  mannWhitneyTest,
  normalCdf,
  normalQuantile,
  probabilityOfBest,
  ratioOf,
  SAMPLE_RATIO_ALPHA,
  sampleRatioTest,
  sequenceMultiplier,
  sequencePValue,
  sequentialSampleRatio,
  spendingBounds,
  tunedRho,
  twoProportionTest,
  welchTest,
  type ArmComparison,
  type GroupMean,
  type KeyMoments,
  type RankSums,
} from '../../statistics/index.js';
import type { TestMetric, TestRules } from './design.js';

/** What was counted until a look. */
export interface TestData {
  /** Keys that were seen in one variant only, by variant. */
  keys: readonly number[];
  /** Keys that were seen in several variants; they are left out. */
  mixedKeys: number;
  /** By metric, in the order of the rules, then by variant. */
  moments: readonly (readonly KeyMoments[])[];
  /** Of metrics that are compared by ranks: each other variant against the control. For a look that decides. */
  ranks?: readonly (readonly (RankSums | null)[])[];
}

export interface Comparison {
  variant: string;
  /**
   * Of the variant minus the control. By ranks, Cliff's delta: the probability that a key of the variant has a larger
   * value than one of the control, minus that of a smaller one.
   */
  difference: number;
  /** Holds the true difference with the corrected probability, at all looks together unless the design is FIXED. */
  low: number | null;
  high: number | null;
  /**
   * Null without any spread yet, and between the looks of a test that is not a sequence. A group sequential test
   * decides by its bound; its p is that of this look alone.
   */
  pValue: number | null;
  statistic: number | null;
  /** Whether the difference is proved, corrected for looks, variants and metrics. */
  significant: boolean;
  varianceReduction: number;
}

export interface MetricResult {
  metric: string;
  role: TestMetric['role'];
  /** By variant; the mean is null before the first value. */
  estimates: { variant: string; keys: number; mean: number | null; standardError: number | null }[];
  comparisons: Comparison[];
  /** Of all variants at once, where the metric is compared so; without it, none of them is proved to differ. */
  overall: OverallTest | null;
}

export interface OverallTest {
  statistic: number;
  degreesOfFreedom: number;
  pValue: number;
}

export interface Decision {
  kind: 'WINNER' | 'NO_DIFFERENCE' | 'HARM' | 'INVALID' | 'STOPPED';
  /** The better one, or the harmful one; null otherwise. */
  variant: string | null;
  reason: string;
}

export interface Analysis {
  keys: number[];
  mixedKeys: number;
  /** The probability of a division at least this uneven, at this look alone and at any. */
  sampleRatioP: number;
  sampleRatioSequentialP: number;
  metrics: MetricResult[];
  decision: Decision | null;
}

/** With what is shown beside it, and decides nothing. */
export interface ShownAnalysis extends Analysis {
  probabilityOfBest: number[] | null;
}

export interface Look {
  /** The looks that have spent α, with this one, as fractions of the planned keys; without it no one may win. */
  information: readonly number[];
  isDecisive: boolean;
  isLast: boolean;
}

/** Fewer keys with a value in a variant than this are no evidence: the normal approximation needs some. */
const MIN_KEYS = 30;
const ROUNDING = 1e-9;
/** Above this share, keys in several variants make the comparison wrong. */
const MAX_MIXED_SHARE = 0.01;

/** What is known at a look, and whether that decides the test. The same data always give the same decision. */
export function analyse(rules: TestRules, data: TestData, look: Look): Analysis {
  const shares = rules.variants.map(({ weightBps }) => weightBps / FULL_WEIGHT_BPS);
  const sampleRatioP = sampleRatioTest(data.keys, shares).pValue;
  const sampleRatioSequentialP = sequentialSampleRatio(data.keys, shares);
  const primaries = judge(rules, data, look, 'PRIMARY');
  const metrics = [...primaries, ...judge(rules, data, look, 'SECONDARY'), ...judge(rules, data, look, 'GUARD')];
  const analysis = {
    ...{ keys: [...data.keys], mixedKeys: data.mixedKeys },
    ...{ sampleRatioP, sampleRatioSequentialP, metrics },
  };
  return { ...analysis, decision: decide(rules, analysis, look) };
}

function decide(rules: TestRules, analysis: Omit<Analysis, 'decision'>, look: Look): Decision | null {
  return invalid(analysis, look) ?? harm(rules, analysis) ?? (look.isDecisive ? winner(rules, analysis, look) : null);
}

function invalid(
  { keys, mixedKeys, sampleRatioP, sampleRatioSequentialP }: Omit<Analysis, 'decision'>,
  { isLast }: Look,
): Decision | null {
  const all = keys.reduce((sum, n) => sum + n, mixedKeys);
  const p = isLast ? Math.min(sampleRatioP, sampleRatioSequentialP) : sampleRatioSequentialP;
  if (p < SAMPLE_RATIO_ALPHA)
    return {
      kind: 'INVALID',
      variant: null,
      reason:
        `Sample-ratio mismatch: ${keys.join(' and ')} keys do not fit the weights (p = ${p.toExponential(1)}, ` +
        `limit ${SAMPLE_RATIO_ALPHA}). Find out why keys are lost before you trust any figure.`,
    };
  if (all >= 100 && mixedKeys > MAX_MIXED_SHARE * all)
    return {
      kind: 'INVALID',
      variant: null,
      reason: `${mixedKeys} of ${all} keys were served by several variants, more than ${MAX_MIXED_SHARE * 100} %.`,
    };
  return null;
}

function harm({ metrics: specs }: TestRules, { metrics }: Omit<Analysis, 'decision'>): Decision | null {
  for (const { metric, role, comparisons } of metrics) {
    if (role !== 'GUARD') continue;
    const found = comparisons.find(({ significant }) => significant);
    if (!found) continue;
    const { wanted, margin } = specs.find(({ name }) => name === metric)!;
    const direction = wanted === 'INCREASE' ? 'lower' : 'higher';
    return {
      kind: 'HARM',
      variant: found.variant,
      reason:
        `Guard metric "${metric}" of variant "${found.variant}" is provably ${direction} than that of the control by ` +
        `more than ${margin}: ${shown(found)}.`,
    };
  }
  return null;
}

function winner(rules: TestRules, { metrics }: Omit<Analysis, 'decision'>, { isLast }: Look): Decision | null {
  const primary = metrics.find(({ role }) => role === 'PRIMARY')!;
  const { wanted } = rules.metrics.find(({ role }) => role === 'PRIMARY')!;
  const sign = wanted === 'INCREASE' ? 1 : -1;
  const proved = primary.comparisons.filter(({ significant }) => significant);
  const better = proved.filter(({ difference }) => sign * difference > 0);
  const control = rules.variants[0]!.name;
  if (better.length > 0) {
    const best = better.reduce((a, b) => (sign * b.difference > sign * a.difference ? b : a));
    return {
      kind: 'WINNER',
      variant: best.variant,
      reason: `"${primary.metric}" of "${best.variant}" is provably better than that of "${control}": ${shown(best)}.`,
    };
  }
  if (proved.length === primary.comparisons.length) {
    const reason = `"${primary.metric}" of "${control}" is provably better than that of every other variant: `;
    return { kind: 'WINNER', variant: control, reason: `${reason}${proved.map(shown).join('; ')}.` };
  }
  if (!isLast) return null;
  if (primary.comparisons.some(({ statistic }) => statistic === null)) {
    const reason = `Too little was recorded: "${primary.metric}" needs ${MIN_KEYS} keys with a value in each variant, and values that differ.`;
    return { kind: 'NO_DIFFERENCE', variant: null, reason };
  }
  const found = primary.comparisons.map((one) => `"${one.variant}" ${shown(one)}`).join('; ');
  return { kind: 'NO_DIFFERENCE', variant: null, reason: `No difference of "${primary.metric}" was proved: ${found}.` };
}

function shown({ difference, low, high }: Comparison): string {
  const short = (value: number): string => String(Number(value.toPrecision(4)));
  const interval = low === null || high === null ? '' : ` [${short(low)}, ${short(high)}]`;
  return `difference ${short(difference)}${interval}`;
}

/** One comparison before it is corrected for the others. */
interface Tested {
  variant: string;
  arms: ArmComparison;
  statistic: number;
  pValue: number | null;
  /** Whether it is proved at a level. */
  isProved(level: number): boolean;
  interval(level: number): { low: number; high: number };
}

function judge(rules: TestRules, data: TestData, look: Look, role: TestMetric['role']): MetricResult[] {
  const family: { result: Omit<MetricResult, 'comparisons'>; tested: (Tested | null)[] }[] = [];
  rules.metrics.forEach((metric, at) => {
    if (metric.role !== role) return;
    const moments = data.moments[at]!;
    const estimates = moments.map((own, variant) => {
      const { mean, errorVariance } = ratioOf(own);
      const isKnown = own.keys > 0 && own.means[1]! > 0;
      return {
        ...{ variant: rules.variants[variant]!.name, keys: own.keys },
        ...{ mean: isKnown ? mean : null, standardError: isKnown && own.keys > 1 ? Math.sqrt(errorVariance) : null },
      };
    });
    const overall = metric.test === 'CHI_SQUARE' && look.isDecisive ? overallTest(moments) : null;
    const tested = moments.slice(1).map((treatment, i) =>
      test(rules, metric, look, {
        ...{ control: moments[0]!, treatment, variant: rules.variants[i + 1]!.name },
        ...{ ranks: data.ranks?.[at]?.[i], overall },
      }),
    );
    family.push({ result: { metric: metric.name, role, estimates, overall }, tested });
  });
  const all = family.flatMap(({ tested }) => tested);
  const known = all.filter((one) => one !== null);
  const proved = new Set(corrected(known, rules.alpha, all.length, role === 'GUARD' ? 'BONFERRONI' : rules.correction));
  return family.map(({ result, tested }) => ({
    ...result,
    comparisons: tested.map((one, i) => {
      const variant = rules.variants[i + 1]!.name;
      if (!one)
        return {
          ...{ variant, difference: 0, low: null, high: null, pValue: null, statistic: null },
          ...{ significant: false, varianceReduction: 0 },
        };
      const { difference, varianceReduction } = one.arms;
      const { low, high } = one.interval(rules.alpha / Math.max(1, all.length));
      return {
        ...{ variant, difference, varianceReduction, pValue: one.pValue, statistic: one.statistic },
        ...{ low: finite(low), high: finite(high), significant: proved.has(one) },
      };
    }),
  }));
}

/**
 * Which are proved when there are `count` of them. For bounds that depend on α this is Holm's and Benjamini and
 * Hochberg's procedure on the p-values over all looks, without computing these (Maurer and Bretz 2013).
 */
function corrected(
  tested: readonly Tested[],
  alpha: number,
  count: number,
  correction: TestRules['correction'] | 'BONFERRONI',
): Tested[] {
  const at = (level: number): Tested[] => tested.filter((one) => one.isProved(level));
  if (correction === 'BENJAMINI_HOCHBERG') {
    for (let rank = count; rank > 0; rank--) {
      const found = at((alpha * rank) / count);
      if (found.length >= rank) return found;
    }
    return [];
  }
  let found = at(alpha / Math.max(1, count));
  while (correction === 'HOLM' && found.length > 0 && found.length < count) {
    const next = at(alpha / (count - found.length));
    if (next.length === found.length) break;
    found = next;
  }
  return found;
}

/** A variant beside the control. */
interface Pair {
  variant: string;
  control: KeyMoments;
  treatment: KeyMoments;
  ranks: RankSums | null | undefined;
  overall: OverallTest | null;
}

function test(
  { design, alpha, cuped, plannedKeys }: TestRules,
  { role, wanted, margin, aggregation, test: method = 'MEANS' }: TestMetric,
  { information, isDecisive, isLast }: Look,
  { variant, control, treatment, ranks, overall }: Pair,
): Tested | null {
  if (control.measuredKeys < MIN_KEYS || treatment.measuredKeys < MIN_KEYS) return null;
  // Neither ranks nor counts are corrected by the past.
  const arms = compareArms(control, treatment, cuped && method === 'MEANS');
  // Before its look, ranks say nothing.
  if (method === 'MANN_WHITNEY') return ranks ? rankTest(variant, arms, ranks) : null;
  const { difference } = arms;
  // When the past explains everything, only rounding is left as an error.
  const rounding = ROUNDING * (Math.abs(arms.control.mean) + Math.abs(arms.treatment.mean));
  const error = Math.max(arms.standardError, rounding);
  if (!(error > 0)) return null;
  const keys = control.keys + treatment.keys;
  const around = (multiplier: number) => ({
    low: difference - multiplier * error,
    high: difference + multiplier * error,
  });
  if (role === 'GUARD') {
    // Harm upwards, beyond the margin.
    const sign = wanted === 'INCREASE' ? -1 : 1;
    const statistic = (sign * difference - margin) / error;
    const mixture = { rho: tunedRho(plannedKeys, alpha, 1), sides: 1 as const };
    const pValue = sequencePValue(statistic, keys, mixture);
    const interval = (level: number) => {
      const edge = sign * difference - sequenceMultiplier(keys, mixture, level) * error;
      return sign > 0 ? { low: edge, high: Infinity } : { low: -Infinity, high: -edge };
    };
    return { variant, arms, statistic, pValue, isProved: (level) => pValue <= level, interval };
  }
  const statistic = difference / error;
  if (design === 'CONFIDENCE_SEQUENCE') {
    const mixture = { rho: tunedRho(plannedKeys, alpha, 2), sides: 2 as const };
    const pValue = sequencePValue(statistic, keys, mixture);
    const interval = (level: number) => around(sequenceMultiplier(keys, mixture, level));
    return { variant, arms, statistic, pValue, isProved: (level) => pValue <= level, interval };
  }
  if (!isDecisive) {
    // Between its looks, such a test shows no interval: who acts on one would peek.
    const open = () => ({ low: -Infinity, high: Infinity });
    return { variant, arms, statistic, pValue: null, isProved: () => false, interval: open };
  }
  if (design === 'GROUP_SEQUENTIAL') {
    const boundAt = (level: number): number => lastBound(information, level, isLast);
    const isProved = (level: number) => Math.abs(statistic) >= boundAt(level);
    const pValue = 2 * normalCdf(-Math.abs(statistic));
    return { variant, arms, statistic, pValue, isProved, interval: (level) => around(boundAt(level)) };
  }
  if (method === 'CHI_SQUARE' && overall) {
    const { pValue } = chiSquareContingency([control, treatment].map(withAndWithout));
    const isProved = (level: number) => pValue <= level && overall.pValue <= alpha;
    // The same correction for continuity as that of the test.
    const half = (1 / control.keys + 1 / treatment.keys) / 2;
    const interval = (level: number) => around(normalQuantile(1 - level / 2) + half / error);
    return { variant, arms, statistic, pValue, isProved, interval };
  }
  if (aggregation === 'ANY' && arms.varianceReduction === 0) {
    const proportions = twoProportionTest(eventsOf(control), eventsOf(treatment), alpha);
    const { pValue } = proportions;
    const interval = (level: number) => around(normalQuantile(1 - level / 2));
    return { variant, arms, statistic: proportions.statistic, pValue, isProved: (level) => pValue <= level, interval };
  }
  const floored = (arm: GroupMean): GroupMean => ({
    ...arm,
    errorVariance: Math.max(arm.errorVariance, rounding ** 2),
  });
  const welch = (level: number) => welchTest(floored(arms.control), floored(arms.treatment), level);
  const { pValue } = welch(alpha);
  const interval = (level: number) => welch(level).interval;
  return { variant, arms, statistic, pValue, isProved: (level) => pValue <= level, interval };
}

/** Keys with the outcome; the mean of a metric of the kind ANY is their share. */
function eventsOf({ keys: n, means }: KeyMoments): { events: number; n: number } {
  return { events: Math.round(n * means[0]!), n };
}

function withAndWithout(moments: KeyMoments): [number, number] {
  const { events, n } = eventsOf(moments);
  return [events, n - events];
}

function overallTest(moments: readonly KeyMoments[]): OverallTest {
  const { statistic, dof, pValue } = chiSquareContingency(moments.map(withAndWithout));
  return { statistic, degreesOfFreedom: dof, pValue };
}

function rankTest(variant: string, means: ArmComparison, ranks: RankSums): Tested {
  const { superiority, standardError, pValue } = mannWhitneyTest(ranks);
  const difference = 2 * superiority - 1;
  const arms = { ...means, difference, standardError: 2 * standardError };
  const interval = (level: number) => {
    const half = normalQuantile(1 - level / 2) * arms.standardError;
    return { low: Math.max(-1, difference - half), high: Math.min(1, difference + half) };
  };
  const statistic = Math.sign(difference) * normalQuantile(1 - Math.max(pValue, Number.EPSILON) / 2);
  return { variant, arms, statistic, pValue, isProved: (level) => pValue <= level, interval };
}

/** By variant, the probability that its primary metric is the best one; null before there are enough keys. */
export function bestProbabilities({ metrics }: Pick<TestRules, 'metrics'>, { moments }: TestData): number[] | null {
  const at = metrics.findIndex(({ role }) => role === 'PRIMARY');
  const own = moments[at]!;
  if (own.some(({ measuredKeys }) => measuredKeys < MIN_KEYS)) return null;
  const { wanted, aggregation } = metrics[at]!;
  const posteriors = own.map((variant) => {
    const { mean, errorVariance } = ratioOf(variant);
    return aggregation === 'ANY'
      ? betaPosterior(Math.round(variant.keys * variant.means[0]!), variant.keys)
      : ({ kind: 'NORMAL', mean, standardError: Math.sqrt(errorVariance) } as const);
  });
  const options = { seed: 1, smallerIsBetter: wanted === 'DECREASE' };
  return probabilityOfBest(posteriors, options).map(({ probability }) => probability);
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

const MAX_CACHED = 1_000;
const bounds = new Map<string, number>();

/** The bound of the newest look. Integrations take milliseconds, and a test asks for the same ones again and again. */
function lastBound(information: readonly number[], alpha: number, isLast: boolean): number {
  if (information.length === 0) return Infinity;
  const key = `${information.join()} ${alpha} ${isLast}`;
  let bound = bounds.get(key);
  if (bound === undefined) {
    bound = spendingBounds(information, { alpha, sides: 2, isLast }).at(-1)!;
    if (bounds.size >= MAX_CACHED) bounds.clear();
    bounds.set(key, bound);
  }
  return bound;
}
