import { firstOf, nondominatedInsert } from './pareto.js';
import type { TrialRecord } from './study.js';

type ValuedTrial = TrialRecord & { values: readonly number[] };

const MOST_GOOD = 25;
const GOOD_SHARE = 0.1;

/** What a trial is ranked by: feasible and complete before pruned before infeasible, then the least value. */
interface Rank {
  class: number;
  value: number;
  trial: TrialRecord;
}

/**
 * The best tenth of the finished trials, at most 25: TPE's good trials. With several objectives, the first fronts, and
 * of the last one that has place the trials that add most hypervolume. Each trial is looked at once.
 */
export class GoodTrials {
  /** The best of all, ascending, without complete trials when there are several objectives. */
  private readonly best: Rank[] = [];
  private readonly fronts: ValuedTrial[][] = [];
  /** All finished trials. */
  count = 0;

  constructor(private readonly objectives: number) {}

  add(trial: TrialRecord): void {
    this.count++;
    const rank = rankOf(trial);
    if (this.objectives > 1 && rank.class === 0) {
      nondominatedInsert(this.fronts, trial as ValuedTrial);
      return;
    }
    const last = this.best[MOST_GOOD - 1];
    if (last && compare(last, rank) < 0) return;
    let at = this.best.length;
    while (at > 0 && compare(rank, this.best[at - 1]!) < 0) at--;
    this.best.splice(at, 0, rank);
    this.best.length = Math.min(this.best.length, MOST_GOOD);
  }

  good(): TrialRecord[] {
    const wanted = Math.min(Math.ceil(GOOD_SHARE * this.count), MOST_GOOD);
    const found: TrialRecord[] = firstOf(this.fronts, wanted);
    found.push(...this.best.slice(0, Math.max(0, wanted - found.length)).map(({ trial }) => trial));
    return found.sort((a, b) => a.number - b.number);
  }
}

function rankOf(trial: TrialRecord): Rank {
  const violation = (trial.violations ?? []).reduce(
    (sum, value) => sum + (value > 0 ? value : value <= 0 ? 0 : Infinity),
    0,
  );
  if (violation > 0) return { class: 2, value: violation, trial };
  if (trial.state === 'COMPLETE' && trial.values?.every((value) => !Number.isNaN(value)))
    return { class: 0, value: trial.values[0]!, trial };
  // A trial that was pruned late was good for longer. Places of the class: first by step, then by value.
  return { class: 1, value: trial.curve.at(-1)?.values[0] ?? Infinity, trial };
}

function compare(a: Rank, b: Rank): number {
  if (a.class !== b.class) return a.class - b.class;
  if (a.class === 1) {
    const steps = (b.trial.curve.at(-1)?.step ?? -1) - (a.trial.curve.at(-1)?.step ?? -1);
    if (steps !== 0) return steps;
  }
  const [left, right] = [Number.isNaN(a.value) ? Infinity : a.value, Number.isNaN(b.value) ? Infinity : b.value];
  if (left !== right) return left < right ? -1 : 1;
  return a.trial.number - b.trial.number;
}
