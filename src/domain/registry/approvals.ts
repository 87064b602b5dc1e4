import { AppError, ErrorCode } from '../../errors.js';
import type { GatePolicy } from './gate-policy.js';

export type ApprovalStage = 'STAGING' | 'PRODUCTION';
export type ApprovalDecision = 'APPROVED' | 'REJECTED';

/** What somebody decided about bringing a version to a stage. */
export interface ApprovalWord {
  createdBy: string;
  decision: ApprovalDecision;
}

/** Where a version stands with those who decide about its next stage. */
export interface ApprovalState {
  needed: number;
  approvedBy: string[];
  rejectedBy: string[];
  /** Approvals still to come. */
  missing: number;
}

/** Counts the newest word of each person, the words being given oldest first. */
export function countApprovals(
  words: readonly ApprovalWord[],
  { needed, author, authorMayApprove }: { needed: number; author: string; authorMayApprove: boolean },
): ApprovalState {
  const newest = new Map(words.map(({ createdBy, decision }) => [createdBy, decision]));
  const who = (wanted: ApprovalDecision): string[] => [...newest].filter(([, decision]) => decision === wanted).map(([person]) => person);
  const approvedBy = who('APPROVED').filter((person) => authorMayApprove || person !== author);
  return { needed, approvedBy, rejectedBy: who('REJECTED'), missing: Math.max(0, needed - approvedBy.length) };
}

/** One rejection that stands keeps a version back, however many approve. */
export function isApproved({ missing, rejectedBy }: ApprovalState): boolean {
  return missing === 0 && rejectedBy.length === 0;
}

export function approvalsNeeded(toStage: ApprovalStage, policy: GatePolicy): number {
  switch (toStage) {
    case 'STAGING':
      return policy.staging.approvals;
    case 'PRODUCTION':
      return policy.production.approvals;
  }
}

/** Nobody approves what he registered himself, unless the model's policy lets him. */
export function requireApprover(person: string, { author, authorMayApprove }: { author: string; authorMayApprove: boolean }): void {
  if (authorMayApprove || person !== author) return;
  throw new AppError(ErrorCode.FORBIDDEN, 'Who registered a version cannot approve it under this model’s gate policy.', {
    field: 'input.modelVersionId',
    expected: `somebody other than ${author}`,
    got: person,
  });
}
