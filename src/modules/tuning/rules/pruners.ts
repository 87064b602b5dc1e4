import { firstOf, nondominatedInsert } from './pareto.js';
import type { CurvePoint, Pruner, StudyHistory, TrialRecord } from './study.js';
import { wilcoxonGreater } from './wilcoxon.js';

/** For reasons, which show values with the sign of their metric: -1 when more is better. */
export interface SignOptions {
  sign?: 1 | -1;
}

/** Stops a trial whose value is not a number, or beyond given limits. */
export class ThresholdPruner implements Pruner {
  constructor(private readonly limits: { lowest?: number; highest?: number } & SignOptions = {}) {}

  prune(_history: StudyHistory, { curve }: TrialRecord): string | undefined {
    const newest = curve.at(-1);
    if (!newest) return undefined;
    const { lowest = -Infinity, highest = Infinity, sign = 1 } = this.limits;
    const { step } = newest;
    const value = newest.values[0]!;
    if (!Number.isFinite(value)) return `The value at step ${step} is not a finite number.`;
    if (value <= highest && value >= lowest) return undefined;
    const limit = value > highest ? highest : lowest;
    return `The value at step ${step}, ${show(sign * value)}, is beyond the limit ${show(sign * limit)}.`;
  }
}

/** Stops a trial that has not become better by more than `minDelta` for `patience` steps, in any objective. */
export class PatiencePruner implements Pruner {
  constructor(private readonly options: { patience: number; minDelta?: number } & SignOptions) {}

  prune(_history: StudyHistory, { curve }: TrialRecord): string | undefined {
    const { patience, minDelta = 0, sign = 1 } = this.options;
    if (curve.length <= patience) return undefined;
    const before = leastOf(curve.slice(0, -patience));
    const since = leastOf(curve.slice(-patience));
    if (since.some((value, k) => value < before[k]! - minDelta)) return undefined;
    return before.length > 1
      ? `No value of the last ${patience} steps is better than those before, in any objective.`
      : `No value of the last ${patience} steps is better than ${show(sign * before[0]!)}.`;
  }
}

export interface MedianOptions extends SignOptions {
  /** Complete trials before any is stopped. */
  startupTrials?: number;
  /** Steps before a trial is stopped. */
  warmupSteps?: number;
}

/**
 * Stops a trial whose best value so far is worse than the median of the complete trials at the same step; with several
 * objectives, in each of them.
 */
export class MedianPruner implements Pruner {
  constructor(private readonly options: MedianOptions = {}) {}

  prune({ trials }: StudyHistory, { curve }: TrialRecord): string | undefined {
    const { startupTrials = 5, warmupSteps = 0, sign = 1 } = this.options;
    const newest = curve.at(-1);
    if (!newest || newest.step < warmupSteps) return undefined;
    // Those of earlier studies, with numbers below 0, have no steps here.
    const complete = trials.filter(({ number, state }) => number >= 0 && state === 'COMPLETE');
    if (complete.length < Math.max(1, startupTrials)) return undefined;
    const best = leastOf(curve);
    if (best.every((value) => value === Infinity)) return `No value until step ${newest.step} is a number.`;
    const others = complete.flatMap((trial) => {
      const point = firstAt(trial.curve, newest.step);
      return point?.step === newest.step ? point : [];
    });
    const medians = best.map((_, k) => medianOf(others.map(({ values }) => values[k]!)));
    if (!medians.every((median, k) => median !== undefined && best[k]! > median)) return undefined;
    if (best.length > 1)
      return (
        `The best values until step ${newest.step} are worse than the medians of ${others.length} complete trials, ` +
        `in every objective.`
      );
    const count = others.filter(({ values }) => !Number.isNaN(values[0])).length;
    return (
      `The best value until step ${newest.step}, ${show(sign * best[0]!)}, is worse than the median of ${count} ` +
      `complete trials, ${show(sign * medians[0]!)}.`
    );
  }
}

/** Of those that are numbers. */
function medianOf(values: readonly number[]): number | undefined {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

export interface HalvingOptions {
  /** The step of the first rung. */
  minStep?: number;
  /** One of so many trials passes a rung, and the next rung is so many times as far. */
  reduction?: number;
}

/**
 * Asynchronous successive halving (Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning): at the steps
 * minStep · reductionᵏ, a trial goes on only when its value is among the best 1/reduction of all that came there. Of
 * the first few, only the best goes on. With several objectives, the best are the first fronts, and of the last front
 * those that cover most hypervolume (after Schmucker et al. 2021, Multi-objective Asynchronous Successive Halving).
 */
export class AshaPruner implements Pruner {
  constructor(private readonly options: HalvingOptions = {}) {}

  prune({ trials }: StudyHistory, trial: TrialRecord): string | undefined {
    const { minStep = 1, reduction = 4 } = this.options;
    return atRung(trials, trial, minStep, reduction);
  }
}

export interface HyperbandOptions extends HalvingOptions {
  /** The last step of a trial. */
  maxStep: number;
}

/**
 * Hyperband (Li et al. 2018) of asynchronous halvings: bracket b begins at the step minStep · reductionᵇ, so that one
 * wrong first step does not decide. A trial belongs to a bracket by its number, more often to one that stops early.
 */
export class HyperbandPruner implements Pruner {
  private readonly minStep: number;
  private readonly reduction: number;
  /** Trial numbers modulo its length give brackets. */
  private readonly schedule: number[];

  constructor({ minStep = 1, reduction = 3, maxStep }: HyperbandOptions) {
    this.minStep = minStep;
    this.reduction = reduction;
    const last = Math.max(0, Math.floor(Math.log(Math.max(1, maxStep / minStep)) / Math.log(reduction) + 1e-9));
    // Bracket b starts ⌈(last + 1) · reductionˢ / (s + 1)⌉ trials for s = last − b further rungs, as in the paper.
    const shares = Array.from({ length: last + 1 }, (_, b) =>
      Math.ceil(((last + 1) * reduction ** (last - b)) / (last - b + 1)),
    );
    this.schedule = interleaved(shares);
  }

  bracketOf(number: number): number {
    return this.schedule[number % this.schedule.length]!;
  }

  prune({ trials }: StudyHistory, trial: TrialRecord): string | undefined {
    const bracket = this.bracketOf(trial.number);
    const rivals = trials.filter(({ number }) => this.bracketOf(number) === bracket);
    const reason = atRung(rivals, trial, this.minStep * this.reduction ** bracket, this.reduction);
    return reason && `Bracket ${bracket + 1}: ${reason}`;
  }
}

/** Spreads the brackets evenly: of those that are behind their share, the first one is next. */
function interleaved(shares: readonly number[]): number[] {
  const total = shares.reduce((sum, share) => sum + share, 0);
  const given = shares.map(() => 0);
  return Array.from({ length: total }, (_, i) => {
    const behind = shares.map((share, b) => (share * (i + 1)) / total - given[b]!);
    const next = behind.indexOf(Math.max(...behind));
    given[next]!++;
    return next;
  });
}

function atRung(
  trials: readonly TrialRecord[],
  { number, curve }: TrialRecord,
  firstStep: number,
  reduction: number,
): string | undefined {
  const newest = curve.at(-1);
  if (!newest) return undefined;
  const before = curve.at(-2)?.step ?? -Infinity;
  // Only the step that reaches a rung is judged; a step may reach several.
  for (let rung = firstStep; rung <= newest.step; rung *= reduction) {
    if (before >= rung) continue;
    if (newest.values.some(Number.isNaN)) return `The value at step ${newest.step} is not a number.`;
    const others = trials.flatMap(({ number: other, curve: own }) => {
      const values = other === number ? undefined : firstAt(own, rung)?.values;
      return values?.some(Number.isNaN) === false ? [{ number: other, values }] : [];
    });
    const places = Math.max(1, Math.floor((others.length + 1) / reduction));
    if (newest.values.length > 1) {
      if (isAmong({ number, values: newest.values }, others, places)) continue;
      return `At step ${newest.step}, it is not among the best ${places} of ${others.length + 1} trials by all objectives.`;
    }
    const better = others.filter(({ values }) => values[0]! < newest.values[0]!).length;
    if (better >= places)
      return `At step ${newest.step}, ${better} of ${others.length} other trials are better; the best ${places} of ${others.length + 1} go on.`;
  }
  return undefined;
}

interface Contender {
  number: number;
  values: readonly number[];
}

function isAmong(own: Contender, others: readonly Contender[], places: number): boolean {
  const fronts: Contender[][] = [];
  for (const contender of [...others, own]) nondominatedInsert(fronts, contender);
  return firstOf(fronts, places).includes(own);
}

/** The first point of a curve at or after a step; steps ascend. */
function firstAt(curve: readonly CurvePoint[], wanted: number): CurvePoint | undefined {
  let [low, high] = [0, curve.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (curve[middle]!.step < wanted) low = middle + 1;
    else high = middle;
  }
  return curve[low];
}

export interface WilcoxonOptions {
  /** A trial is stopped when the p-value is below it. */
  pValue?: number;
  /** Common steps before any trial is stopped. */
  startupSteps?: number;
}

/**
 * For steps that are folds or other problems of equal weight: stops a trial that is worse than the best complete one by
 * Wilcoxon's signed-rank test on their common steps, unless its mean is better.
 */
export class WilcoxonPruner implements Pruner {
  constructor(private readonly options: WilcoxonOptions = {}) {}

  prune({ trials }: StudyHistory, { curve }: TrialRecord): string | undefined {
    const { pValue = 0.1, startupSteps = 2 } = this.options;
    const best = trials
      .filter(({ number, state, values }) => number >= 0 && state === 'COMPLETE' && Number.isFinite(values?.[0]))
      .reduce<TrialRecord | undefined>((a, b) => (a && isBefore(a, b) ? a : b), undefined);
    if (!best || curve.length === 0) return undefined;
    if (![...curve, ...best.curve].every(({ values }) => Number.isFinite(values[0]))) return undefined;
    const bestAt = new Map(best.curve.map(({ step, values }) => [step, values[0]!]));
    const differences = curve
      .filter(({ step }) => bestAt.has(step))
      .map(({ step, values }) => values[0]! - bestAt.get(step)!);
    if (differences.length < Math.max(2, startupSteps)) return undefined;
    if (meanOf(curve) <= meanOf(best.curve)) return undefined;
    const p = wilcoxonGreater(differences);
    if (!(p < pValue)) return undefined;
    const test = `Wilcoxon's signed-rank test, p = ${show(p)}`;
    return `It is worse than trial ${best.number} on ${differences.length} folds (${test}).`;
  }
}

function isBefore(a: TrialRecord, b: TrialRecord): boolean {
  const [left, right] = [a.values![0]!, b.values![0]!];
  return left < right || (left === right && a.number < b.number);
}

/** The least number of a curve in each objective; Infinity when none is a number. */
function leastOf(curve: readonly CurvePoint[]): number[] {
  const width = curve[0]?.values.length ?? 1;
  return Array.from({ length: width }, (_, k) =>
    curve.reduce((least, { values }) => (values[k]! < least ? values[k]! : least), Infinity),
  );
}

function meanOf(curve: readonly CurvePoint[]): number {
  return curve.reduce((sum, { values }) => sum + values[0]!, 0) / curve.length;
}

function show(value: number): string {
  return String(Number(value.toPrecision(4)));
}
