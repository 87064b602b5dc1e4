import type { Gate } from '../../model-quality/index.js';
import type { Stage } from './stages.js';

export const RELEASE_STAGES = ['STAGING', 'PRODUCTION'] as const;
export type ReleaseStage = (typeof RELEASE_STAGES)[number];

/** Work with which a release can pass a gate alone; a shadow needs traffic, and approvals need people. */
type ReleaseWork = 'EVALUATION' | 'VALIDATION';

/** The state of a version before its next stage. */
export interface ReleaseState {
  /** Gates that the next stage requires. */
  needed: readonly Gate[];
  /** Gates and approvals that are still missing. */
  missing: readonly (Gate | 'APPROVALS')[];
  /** Work that this release has already done. */
  done: ReadonlySet<ReleaseWork>;
  /** Whether the newest evaluation used the requested rows. */
  isEvaluated: boolean;
  /** Whether it compares with the version in production, or none is in production. */
  isCompared: boolean;
  /** Whether the validation needs metrics that only an evaluation can give. */
  needsMetrics: boolean;
}

/**
 * The next action of a release: work for a gate, the step to the next stage, or nothing. Work is done at most once, and
 * only when needed.
 */
export function nextAction({ needed, missing, done, ...state }: ReleaseState): ReleaseWork | 'PROMOTE' | 'STOP' {
  const lacks = (gate: Gate) => missing.includes(gate);
  const { isEvaluated, isCompared, needsMetrics } = state;
  const wantsEvaluation =
    (needed.includes('EVALUATION') && (lacks('EVALUATION') || !isEvaluated)) ||
    (lacks('SHADOW') && !(isEvaluated && isCompared)) ||
    (lacks('VALIDATION') && needsMetrics);
  if (wantsEvaluation && !done.has('EVALUATION')) return 'EVALUATION';
  if (lacks('VALIDATION') && !done.has('VALIDATION')) return 'VALIDATION';
  return missing.length === 0 ? 'PROMOTE' : 'STOP';
}

/**
 * The next stage on the way to `target`; null for a version that has reached it or is past it. From ARCHIVED no release
 * leads further.
 */
export function nextStageTowards(from: Stage, target: ReleaseStage): ReleaseStage | null {
  switch (from) {
    case 'DEVELOPMENT':
    case 'ARCHIVED':
      return 'STAGING';
    case 'STAGING':
      return target === 'PRODUCTION' ? 'PRODUCTION' : null;
    case 'PRODUCTION':
      return null;
  }
}
