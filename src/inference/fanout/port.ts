import type { Combination } from '../../adapters/evaluator/ensemble/port.js';
import type { AppError } from '../../errors.js';
import type { Signature, Tensor } from '../../modules/model-contract/index.js';
import type { InferOptions, InferResult, RuntimeName } from '../port.js';

/** What an ensemble answers when members have failed: nothing, or what the others say when these are enough. */
export type FailurePolicy = 'FAIL' | 'REWEIGHT' | 'MINIMUM_MEMBERS';

export interface FanOutMember {
  versionId: string;
  /** Model and number. */
  name: string;
  runtime: RuntimeName;
  signature: Signature;
  infer(inputs: Tensor[], options: InferOptions): Promise<InferResult>;
}

/** An ensemble whose members answer each on its own runtime. */
export interface FanOutModel {
  /** Of the ensemble. */
  signature: Signature;
  combination: Combination;
  members: readonly FanOutMember[];
  /** Members that must answer. */
  neededMembers: number;
  /** Longest duration of one member; null for that of the request. */
  memberDeadlineMs: number | null;
}

/** What one member did for a request. */
export interface MemberAnswer {
  name: string;
  runtime: RuntimeName;
  /** Whether its answer is in that of the ensemble. */
  answered: boolean;
  /** Why not, as a sentence. */
  error: string | null;
  /** Its weight in the answer; null for a meta-learner, and when it has failed. */
  weight: number | null;
  /** Until it answered or failed. */
  latencyMs: number;
}

/**
 * Asks all members at the same time and combines what they answer in time. A member that fails, is late, or answers
 * something that cannot be an answer counts as failed; `onMember` hears of each as it ends. Errors: DEADLINE_EXCEEDED
 * or RESOURCE_EXHAUSTED when that is why too few answered, otherwise UNAVAILABLE; the message names who failed and why.
 */
export type FanOut = (
  model: FanOutModel,
  inputs: Tensor[],
  options: InferOptions,
  onMember: (versionId: string, error: AppError | null) => void,
) => Promise<InferResult>;
