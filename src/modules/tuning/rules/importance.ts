import { badInput } from '../../../errors.js';
import { clamp } from './axis.js';
import { GoodTrials } from './good-trials.js';
import { normalMass } from './mixture.js';
import type { ParameterSpace, ParameterValue, SearchSpace } from './space.js';
import type { TrialRecord } from './study.js';

export const PED_ANOVA_METHOD =
  'PED-ANOVA (Watanabe, Bansal and Hutter 2023, arXiv 2304.10255; with conditions: arXiv 2601.20800): how much the ' +
  'distribution of a parameter among the best 10 % of the trials differs from that among all';

const TOP_SHARE = 0.1;
const MIN_TRIALS = 10;
/** Continuous parameters are looked at on so many points. */
const GRID = 50;
const PRIOR_WEIGHT = 1;
/** Keeps quotients of densities finite. */
const TINY = 1e-12;
/** Half a step is 1.64 standard deviations of the narrowest kernel. */
const NARROWEST = 0.5 / 1.64;

export interface ParameterShare {
  name: string;
  /** The Pearson divergence, times the square of the top share: 0 when the parameter did not matter. */
  divergence: number;
  /** Its part of all divergences, from 0 to 1. */
  share: number;
}

/**
 * PED-ANOVA of the complete trials. The top trials are those whose value is in the best tenth; with several objectives,
 * the first fronts. Greatest first. Errors: BAD_USER_INPUT for fewer than ten complete trials.
 */
export function pedAnova(space: SearchSpace, trials: readonly TrialRecord[], objectives: number): ParameterShare[] {
  const all = trials.filter(({ state, values }) => state === 'COMPLETE' && values?.every(Number.isFinite));
  if (all.length < MIN_TRIALS)
    throw badInput('study', `at least ${MIN_TRIALS} complete trials with finite values`, all.length);
  const top = new Set(topOf(all, objectives));
  const divergences = space.parameters.map((parameter) => {
    const grid = gridOf(parameter);
    const active = all.filter(({ params }) => params[parameter.name] !== undefined);
    const activeTop = active.filter((trial) => top.has(trial));
    if (grid.points < 2 || active.length < 2 || activeTop.length === 0) return 0;
    // A parameter that is active for some only counts by how often it is, among the top and among all.
    const weight = (activeTop.length / top.size) ** 2 / (active.length / all.length);
    const valuesOf = (some: readonly TrialRecord[]) => some.map(({ params }) => params[parameter.name]!);
    return weight * divergenceOf(grid, valuesOf(activeTop), valuesOf(active)) * (top.size / all.length) ** 2;
  });
  const total = divergences.reduce((sum, divergence) => sum + divergence, 0);
  return space.parameters
    .map(({ name }, i) => ({ name, divergence: divergences[i]!, share: total > 0 ? divergences[i]! / total : 0 }))
    .sort((a, b) => b.share - a.share);
}

function topOf(trials: readonly TrialRecord[], objectives: number): readonly TrialRecord[] {
  const wanted = Math.ceil(TOP_SHARE * trials.length);
  if (objectives > 1) {
    const good = new GoodTrials(objectives);
    for (const trial of trials) good.add({ ...trial, violations: [] });
    const numbers = new Set(good.good().map(({ number }) => number));
    return trials.filter(({ number }) => numbers.has(number));
  }
  const values = trials.map((trial) => trial.values![0]!).sort((a, b) => a - b);
  return trials.filter((trial) => trial.values![0]! <= values[wanted - 1]!);
}

/** The points at which densities are compared. */
interface Grid {
  points: number;
  isCategorical: boolean;
  indexOf(value: ParameterValue): number;
}

function gridOf(parameter: ParameterSpace): Grid {
  if (parameter.kind === 'CATEGORICAL') {
    const { choices } = parameter;
    return { points: choices.length, isCategorical: true, indexOf: (value) => choices.indexOf(value) };
  }
  const { kind, low, high, log = false } = parameter;
  const step = parameter.step ?? (kind === 'INTEGER' ? 1 : undefined);
  const steps = step === undefined || low === high ? Infinity : Math.round((high - low) / step) + 1;
  const own = log && step !== undefined ? Math.ceil(Math.log2(high - low + 1)) + 1 : steps;
  const points = low === high ? 1 : Math.min(GRID, own);
  const scale = log ? Math.log : (value: number) => value;
  const width = (scale(high) - scale(low)) / (points - 1);
  // Halfway between two points, the lower one is taken.
  const indexOf = (value: ParameterValue): number =>
    clamp(Math.ceil((scale(Number(value)) - scale(low)) / width - 0.5), 0, points - 1);
  return { points, isCategorical: false, indexOf };
}

/** Σ p(v) · (q(v) / p(v) − 1)², q being the density of the top trials and p that of all. */
function divergenceOf(grid: Grid, top: readonly ParameterValue[], all: readonly ParameterValue[]): number {
  const [q, p] = [densityOf(grid, top), densityOf(grid, all)];
  return p.reduce((sum, own, i) => sum + (own + TINY) * ((q[i]! + TINY) / (own + TINY) - 1) ** 2, 0);
}

function densityOf({ points, isCategorical, indexOf }: Grid, values: readonly ParameterValue[]): Float64Array {
  const counts = new Float64Array(points);
  for (const value of values) {
    const index = indexOf(value);
    if (index >= 0) counts[index]!++;
  }
  return isCategorical ? categoryDensity(counts) : numberDensity(counts);
}

function categoryDensity(counts: Float64Array): Float64Array {
  const present = [...counts.keys()].filter((i) => counts[i]! > 0);
  const smoothing = PRIOR_WEIGHT / (present.length + 1);
  const total = counts.reduce((sum, count) => sum + count, PRIOR_WEIGHT);
  return counts.map((_, i) => {
    const kernels = present.reduce(
      (sum, own) => sum + (counts[own]! * ((own === i ? 1 : 0) + smoothing)) / (1 + counts.length * smoothing),
      PRIOR_WEIGHT / counts.length,
    );
    return kernels / total;
  });
}

/** Normal kernels at the grid points, with Scott's width (1992), integrated over the cells of the grid. */
function numberDensity(counts: Float64Array): Float64Array {
  const present = [...counts.keys()].filter((i) => counts[i]! > 0);
  const count = counts.reduce((sum, own) => sum + own, 0);
  const mean = present.reduce((sum, i) => sum + i * counts[i]!, 0) / count;
  const squares = present.reduce((sum, i) => sum + counts[i]! * (i - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / Math.max(1, count - 1));
  const sums: number[] = [];
  for (const i of present) sums.push((sums.at(-1) ?? 0) + counts[i]!);
  const first = sums.findIndex((sum) => sum >= Math.floor(count / 4));
  const third = sums.findIndex((sum) => sum > Math.floor((count * 3) / 4));
  const range = (third < 0 ? present.at(-1)! : present[third]!) - present[first]!;
  const width = Math.max(NARROWEST, 1.059 * Math.min(range / 1.34, deviation) * count ** -0.2);
  const last = counts.length - 1;
  const kernels = present.map((center) => ({ center, own: width, weight: counts[center]! }));
  kernels.push({ center: last / 2, own: last + 1, weight: PRIOR_WEIGHT });
  const total = count + PRIOR_WEIGHT;
  const density = new Float64Array(counts.length);
  for (const { center, own, weight } of kernels) {
    const inside = normalMass((-0.5 - center) / own, (last + 0.5 - center) / own);
    for (let i = 0; i <= last; i++) {
      const mass = normalMass((i - 0.5 - center) / own, (i + 0.5 - center) / own);
      density[i]! += ((weight / total) * mass) / inside;
    }
  }
  return density;
}
