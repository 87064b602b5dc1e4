import type { Pruner, StudyHistory, TrialRecord } from './study.js';
import { wilcoxonGreater } from './wilcoxon.js';

type Point = TrialRecord['curve'][number];

/** Prunes when one of several rules does, for the first reason. */
export class AnyPruner implements Pruner {
  constructor(private readonly pruners: readonly Pruner[]) {}

  prune(history: StudyHistory, trial: TrialRecord): string | undefined {
    for (const pruner of this.pruners) {
      const reason = pruner.prune(history, trial);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }
}

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
    if (!Number.isFinite(newest.value)) return `The value at step ${newest.step} is not a finite number.`;
    if (newest.value <= highest && newest.value >= lowest) return undefined;
    const limit = newest.value > highest ? highest : lowest;
    return `The value at step ${newest.step}, ${show(sign * newest.value)}, is beyond the limit ${show(sign * limit)}.`;
  }
}

/** Stops a trial that has not become better by more than `minDelta` for `patience` steps. */
export class PatiencePruner implements Pruner {
  constructor(private readonly options: { patience: number; minDelta?: number } & SignOptions) {}

  prune(_history: StudyHistory, { curve }: TrialRecord): string | undefined {
    const { patience, minDelta = 0, sign = 1 } = this.options;
    if (curve.length <= patience) return undefined;
    const before = leastOf(curve.slice(0, -patience));
    const since = leastOf(curve.slice(-patience));
    if (since < before - minDelta) return undefined;
    return `No value of the last ${patience} steps is better than ${show(sign * before)}.`;
  }
}

export interface MedianOptions extends SignOptions {
  /** Complete trials before any is stopped. */
  startupTrials?: number;
  /** Steps before a trial is stopped. */
  warmupSteps?: number;
}

/** Stops a trial whose best value so far is worse than the median of the complete trials at the same step. */
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
    if (best === Infinity) return `No value until step ${newest.step} is a number.`;
    const others = complete
      .map((trial) => trial.curve.find(({ step }) => step === newest.step)?.value ?? NaN)
      .filter((value) => !Number.isNaN(value))
      .sort((a, b) => a - b);
    if (others.length === 0) return undefined;
    const median = (others[(others.length - 1) >> 1]! + others[others.length >> 1]!) / 2;
    if (!(best > median)) return undefined;
    return (
      `The best value until step ${newest.step}, ${show(sign * best)}, is worse than the median of ${others.length} ` +
      `complete trials, ${show(sign * median)}.`
    );
  }
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
 * the first few, only the best goes on.
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
    if (Number.isNaN(newest.value)) return `The value at step ${newest.step} is not a number.`;
    const others = trials
      .filter((other) => other.number !== number)
      .map((other) => firstAt(other.curve, rung)?.value ?? NaN)
      .filter((value) => !Number.isNaN(value));
    const places = Math.max(1, Math.floor((others.length + 1) / reduction));
    const better = others.filter((value) => value < newest.value).length;
    if (better >= places)
      return `At step ${newest.step}, ${better} of ${others.length} other trials are better; the best ${places} of ${others.length + 1} go on.`;
  }
  return undefined;
}

/** The first point of a curve at or after a step; steps ascend. */
function firstAt(curve: readonly Point[], wanted: number): Point | undefined {
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
    if (![...curve, ...best.curve].every(({ value }) => Number.isFinite(value))) return undefined;
    const bestAt = new Map(best.curve.map(({ step, value }) => [step, value]));
    const differences = curve
      .filter(({ step }) => bestAt.has(step))
      .map(({ step, value }) => value - bestAt.get(step)!);
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

/** The least number of a curve; Infinity when none is a number. */
function leastOf(curve: readonly Point[]): number {
  return curve.reduce((least, { value }) => (value < least ? value : least), Infinity);
}

function meanOf(curve: readonly Point[]): number {
  return curve.reduce((sum, { value }) => sum + value, 0) / curve.length;
}

function show(value: number): string {
  return String(Number(value.toPrecision(4)));
}
