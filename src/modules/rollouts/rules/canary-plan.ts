import { FULL_WEIGHT_BPS } from '../../core/index.js';
import { badInput } from '../../../errors.js';
import type { CanaryStatus } from './canary-status.js';
import type { Verdict } from './guards.js';

/** A share of the traffic, and how long it is watched before the next one. */
export interface CanaryStep {
  weightBps: number;
  bakeSeconds: number;
  /** Who must agree before the step after it, or the promotion after the last one. */
  approval: 'NONE' | 'PERSON' | 'WEBHOOK';
}

/** Refuses steps that do not grow. */
export function requireGrowingSteps(steps: readonly CanaryStep[], field: string): void {
  for (const [index, { weightBps }] of steps.entries()) {
    const before = steps[index - 1]?.weightBps ?? 0;
    if (weightBps <= before)
      throw badInput(`${field}[${index}].weightBps`, `more than the step before it, ${before}`, weightBps);
  }
}

/**
 * The weights of a step. The control is the stable version, counted apart, with as many requests as the canary: so both
 * see the same hours and the same load. Above half of the traffic it gets what is left.
 */
export function weightsOfStep({
  weightBps,
}: Pick<CanaryStep, 'weightBps'>): Record<'canary' | 'control' | 'stable', number> {
  const control = Math.min(weightBps, FULL_WEIGHT_BPS - weightBps);
  return { canary: weightBps, control, stable: FULL_WEIGHT_BPS - weightBps - control };
}

export interface CanaryStand {
  status: CanaryStatus;
  /** The position of the present step. */
  step: number;
  steps: readonly CanaryStep[];
  stepStartedAt: number;
  verdict: Verdict;
  /** Looks in a row that ended with FAIL, this one included. */
  failures: number;
  failureLimit: number;
}

export type CanaryAction = 'STAY' | 'ROLL_BACK' | 'PAUSE' | 'ASK' | 'ADVANCE' | 'PROMOTE';

/** What follows from a look at the guards. A canary that is paused or waits has traffic, so it can still fail. */
export function nextAction(stand: CanaryStand, now: number): CanaryAction {
  const { status, verdict, failures, failureLimit, steps, step, stepStartedAt } = stand;
  if (verdict === 'FAIL') return failures >= failureLimit ? 'ROLL_BACK' : 'STAY';
  const present = steps[step];
  if (status !== 'RUNNING' || !present || now < stepStartedAt + present.bakeSeconds * 1_000) return 'STAY';
  if (verdict === 'INCONCLUSIVE') return 'PAUSE';
  if (present.approval !== 'NONE') return 'ASK';
  return followingAction(stand);
}

/** What follows a step that was passed, and approved where it must be. */
export function followingAction({ step, steps }: Pick<CanaryStand, 'step' | 'steps'>): 'ADVANCE' | 'PROMOTE' {
  return step + 1 < steps.length ? 'ADVANCE' : 'PROMOTE';
}
