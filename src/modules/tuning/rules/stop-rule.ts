import { z } from 'zod';
import { isFeasible } from './objectives.js';
import type { TrialRecord } from './study.js';

export const stopRuleSchema = z.object({
  /** Trials in all; null for no limit. */
  maxTrials: z.int().nullable(),
  /** From the start of the study, without the time in which it had ended; null for no limit. */
  maxDurationMs: z.number().nullable(),
  noExpectedGain: z
    .object({
      /** The newest trials from whose gains the next one is estimated. */
      window: z.int(),
      /** The least gain per trial that is worth its cost, in the unit of the objective. */
      minGain: z.number(),
    })
    .nullable(),
});
export type StopRule = z.infer<typeof stopRuleSchema>;

/** The time of a study that counts for its limit. */
export function elapsedMsOf({ startedAt, idleMs }: { startedAt: Date; idleMs: number }): number {
  return Date.now() - startedAt.getTime() - idleMs;
}

/** What a study has done so far. */
export interface StudyProgress {
  /** Trials that were begun or enqueued. */
  trials: number;
  elapsedMs: number;
  /** The values of the feasible trials that have one, by number; less is better. */
  values: readonly number[];
}

/**
 * The results of a study's own trials, of the first objective. By number, because the order of a history is another one
 * after a restart; without infeasible trials, because the best trial is never one of them.
 */
export function ownValues(trials: readonly TrialRecord[]): number[] {
  return trials
    .filter(({ number, state, violations }) => number >= 0 && state === 'COMPLETE' && isFeasible(violations))
    .toSorted((a, b) => a.number - b.number)
    .flatMap(({ values }) => values?.slice(0, 1) ?? []);
}

/** Why no further trial begins, as a sentence; null while the rule allows one. */
export function whyStop(rule: StopRule, progress: StudyProgress): string | null {
  const { maxTrials, maxDurationMs, noExpectedGain } = rule;
  if (maxDurationMs !== null && progress.elapsedMs >= maxDurationMs)
    return `Its time of ${maxDurationMs / 1000} seconds is over.`;
  if (maxTrials !== null && progress.trials >= maxTrials)
    return `All ${maxTrials} ${maxTrials === 1 ? 'trial' : 'trials'} of its budget were begun.`;
  const gain = noExpectedGain && expectedGain(progress.values, noExpectedGain.window);
  if (noExpectedGain && gain !== null && gain < noExpectedGain.minGain)
    return (
      `No gain is expected: the last ${noExpectedGain.window} trials improved the best value by ` +
      `${Number(gain.toPrecision(3))} each on average, which is less than ${noExpectedGain.minGain}.`
    );
  return null;
}

/** Why a study begins no new trial now; null while its stop rule allows one. */
export function whyStopNow(
  study: { stopRule: StopRule; nextNumber: number; startedAt: Date; idleMs: number },
  queuedTrials: number,
  trials: readonly TrialRecord[],
): string | null {
  return whyStop(study.stopRule, {
    trials: study.nextNumber - queuedTrials,
    elapsedMs: elapsedMsOf(study),
    values: ownValues(trials),
  });
}

/**
 * The mean improvement of the best value per trial over the newest `window` values: what one more trial can be expected
 * to gain at most, as gains shrink. Null while there are not more than `window` values.
 */
export function expectedGain(values: readonly number[], window: number): number | null {
  if (values.length <= window) return null;
  const best = (until: number) => values.slice(0, until).reduce((least, value) => Math.min(least, value), Infinity);
  return (best(values.length - window) - best(values.length)) / window;
}
