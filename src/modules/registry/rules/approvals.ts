import { AppError, ErrorCode } from '../../../errors.js';
import type { GatePolicy } from '../../model-quality/index.js';
import type { Stage } from './stages.js';

export type ApprovalStage = 'STAGING' | 'PRODUCTION';
export type ApprovalDecision = 'APPROVED' | 'REJECTED';

/** What somebody decided about bringing a version to a stage. */
export interface ApprovalWord {
  toStage: ApprovalStage;
  decision: ApprovalDecision;
  createdBy: string;
  createdAt: Date;
}

/** Approvals and rejections of a version for its next stage. */
export interface ApprovalState {
  toStage: ApprovalStage;
  needed: number;
  approvedBy: string[];
  rejectedBy: string[];
  /** Approvals still to come. */
  missing: number;
}

/** The stage that others may have to agree to next; null for a version that goes no further. */
export function nextApprovalStage(stage: Stage): ApprovalStage | null {
  switch (stage) {
    case 'DEVELOPMENT':
      return 'STAGING';
    case 'STAGING':
      return 'PRODUCTION';
    case 'PRODUCTION':
    case 'ARCHIVED':
      return null;
  }
}

/**
 * Counts the newest decision of each person; `words` may be in any order. Decisions from before the version arrived
 * in its stage do not count: they were for an earlier stay.
 */
export function countApprovals(
  words: readonly ApprovalWord[],
  {
    toStage,
    arrivedAt,
    author,
    policy,
  }: { toStage: ApprovalStage; arrivedAt: Date | null; author: string; policy: GatePolicy },
): ApprovalState {
  const standing = words
    .filter((word) => word.toStage === toStage && (arrivedAt === null || word.createdAt > arrivedAt))
    .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  const newest = new Map(standing.map(({ createdBy, decision }) => [createdBy, decision]));
  const who = (wanted: ApprovalDecision): string[] =>
    [...newest].flatMap(([person, decision]) => (decision === wanted ? [person] : [])).sort();
  const approvedBy = who('APPROVED').filter((person) => policy.authorMayApprove || person !== author);
  const needed = toStage === 'STAGING' ? policy.staging.approvals : policy.production.approvals;
  return { toStage, needed, approvedBy, rejectedBy: who('REJECTED'), missing: Math.max(0, needed - approvedBy.length) };
}

/** One valid rejection blocks a version, however many approve. */
export function isApproved({ missing, rejectedBy }: ApprovalState): boolean {
  return missing === 0 && rejectedBy.length === 0;
}

/** Nobody approves what he registered himself, unless the model's policy lets him. */
export function requireApprover(person: string, { author, policy }: { author: string; policy: GatePolicy }): void {
  if (policy.authorMayApprove || person !== author) return;
  throw new AppError(
    ErrorCode.FORBIDDEN,
    'Who registered a version cannot approve it under this model’s gate policy.',
    {
      field: 'input.modelVersionId',
      expected: `somebody other than ${author}`,
      got: person,
    },
  );
}
