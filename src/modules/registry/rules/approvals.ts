import { AppError, ErrorCode } from '../../../errors.js';
import type { GatePolicy } from '../../model-quality/index.js';
import type { Stage } from './stages.js';

export type ApprovalStage = 'STAGING' | 'PRODUCTION';
export type ApprovalDecision = 'APPROVED' | 'REJECTED';

/** A person's decision about the next stage of a version. */
export interface ApprovalRecord {
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
  /** Number of approvals that are still needed. */
  missing: number;
}

/** The next stage that may need approvals; null for a version that cannot go further. */
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
 * Counts the newest decision of each person; `approvals` may be in any order. Decisions from before the version entered
 * its stage do not count, because they were about an earlier stay.
 */
export function countApprovals(
  approvals: readonly ApprovalRecord[],
  {
    toStage,
    arrivedAt,
    author,
    policy,
  }: { toStage: ApprovalStage; arrivedAt: Date | null; author: string; policy: GatePolicy },
): ApprovalState {
  const counted = approvals
    .filter((approval) => approval.toStage === toStage && (arrivedAt === null || approval.createdAt > arrivedAt))
    .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
  const newest = new Map(counted.map(({ createdBy, decision }) => [createdBy, decision]));
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

/** A person may not approve a version that the same person registered, unless the gate policy allows it. */
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
