import type { Params, SearchSpace } from './space.js';

/** One objective. Samplers and pruners get values that are to be MINIMISED: the caller turns the sign of MAXIMIZE. */
export interface TrialRecord {
  number: number;
  state: 'RUNNING' | 'COMPLETE' | 'PRUNED' | 'FAILED';
  params: Params;
  /** One value per objective; absent while it runs or when it failed. */
  values?: readonly number[];
  /** Soft constraints: feasible when all are ≤ 0. */
  violations?: readonly number[];
  /** Intermediate values, by step (epoch or fold), ascending. */
  curve: readonly CurvePoint[];
}

/** What pruners compare at one step, one value for each objective that they judge. */
export interface CurvePoint {
  step: number;
  values: readonly number[];
}

/**
 * What a sampler knows. A trial that is COMPLETE or PRUNED never changes again, so give the same record object with
 * each call: samplers then look only at what is new.
 */
export interface StudyHistory {
  space: SearchSpace;
  objectives: number;
  trials: readonly TrialRecord[];
  seed: number;
}

export interface Sampler {
  /**
   * The parameters of the next trial, deterministic in (history, trial number). May keep state between calls that can
   * be rebuilt from the history.
   */
  suggest(history: StudyHistory, number: number): Params;
}

export interface Pruner {
  /** Whether to stop this running trial at its newest step; with a reason in one sentence. */
  prune(history: StudyHistory, trial: TrialRecord): string | undefined;
}
