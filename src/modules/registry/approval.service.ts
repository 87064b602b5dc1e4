import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Approval } from '../../db/entities/registry/approval.entity.js';
import type { Model } from '../../db/entities/registry/model.entity.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { StageTransition } from '../../db/entities/registry/stage-transition.entity.js';
import type { Session } from '../../db/database.js';
import { audit, emitEvent } from '../platform/index.js';
import {
  type ApprovalDecision,
  type ApprovalStage,
  type ApprovalState,
  countApprovals,
  isApproved,
  requireApprover,
} from './rules/approvals.js';
import { gatePolicyOf } from '../model-quality/index.js';
import { requireTransition } from './rules/stages.js';
import { characters, written } from '../core/index.js';
import type { MissingGate } from './gate.service.js';
import type { ModelService } from './model.service.js';
import type { ModelVersionService } from './model-version.service.js';
import { REGISTRY_EVENTS } from './events.js';

export interface ApprovalInput {
  modelVersionId: string;
  toStage: ApprovalStage;
  reason?: string | null;
}

export const REASON = characters(0, 2_000);
/** A rejection says what has to change. */
export const REJECTION = written(2_000);

/**
 * Decisions of people about a version's next stage. A decision counts while the version stays in the stage in which it
 * was made.
 */
export class ApprovalService {
  constructor(
    private readonly live: LiveEvents,
    private readonly models: ModelService,
    private readonly versions: ModelVersionService,
  ) {}

  /**
   * Errors: CONFLICT when it is not the version's next stage; FORBIDDEN for the person who registered the version,
   * unless the policy allows it.
   */
  async approve(session: Session, input: ApprovalInput): Promise<ModelVersion> {
    return this.decide(session, input, 'APPROVED');
  }

  /** Blocks the version until the same person approves, an ADMIN overrides, or the version leaves its stage. */
  async reject(session: Session, input: ApprovalInput): Promise<ModelVersion> {
    return this.decide(session, input, 'REJECTED');
  }

  /** The approvals that a promotion still needs, and the rejections that block it; null when there are none. */
  async missing(
    session: Session,
    model: Model,
    version: ModelVersion,
    toStage: ApprovalStage,
  ): Promise<MissingGate | null> {
    const state = await this.state(session, model, version, toStage);
    if (isApproved(state)) return null;
    const { needed, approvedBy, rejectedBy, missing } = state;
    const parts = [
      ...(missing > 0 ? [`has ${approvedBy.length} of ${needed} approvals, ${missing} missing`] : []),
      ...(rejectedBy.length > 0 ? [`is rejected by ${rejectedBy.join(', ')}`] : []),
    ];
    const who = gatePolicyOf(model).authorMayApprove ? '' : ` by somebody other than ${version.createdBy}`;
    return {
      gate: 'APPROVALS',
      problem: parts.join(' and '),
      next: `approveModelVersion(input: {modelVersionId: "${version.id}", toStage: ${toStage}})${who}`,
    };
  }

  private async decide(session: Session, input: ApprovalInput, decision: ApprovalDecision): Promise<ModelVersion> {
    const reason = input.reason ?? '';
    const { modelId } = await this.versions.get(session, input.modelVersionId);
    const model = await this.models.lock(session, modelId);
    const version = await this.versions.getFresh(session, input.modelVersionId);
    requireTransition(version.stage, input.toStage);
    const person = session.principal.subject;
    if (decision === 'APPROVED') requireApprover(person, { author: version.createdBy, policy: gatePolicyOf(model) });
    session.em.create(Approval, {
      tenant: session.tenant,
      createdAt: await this.nextInstant(session, version.id),
      modelVersionId: version.id,
      toStage: input.toStage,
      decision,
      reason,
      createdBy: person,
    });
    const state = await this.state(session, model, version, input.toStage);
    const payload = { modelName: model.name, version: version.version, ...state, reason, by: person };
    const subject = { type: 'modelVersion', id: version.id };
    const type = decision === 'APPROVED' ? REGISTRY_EVENTS.MODEL_APPROVED : REGISTRY_EVENTS.MODEL_REJECTED;
    emitEvent(session, this.live, type, subject, payload, { modelId: model.id });
    const action = decision === 'APPROVED' ? 'approveModelVersion' : 'rejectModelVersion';
    audit(session, action, subject, null, { toStage: input.toStage, decision, reason });
    return version;
  }

  private async state(
    session: Session,
    model: Model,
    version: ModelVersion,
    toStage: ApprovalStage,
  ): Promise<ApprovalState> {
    const approvals = await session.em.find(Approval, { tenant: session.tenant, modelVersionId: version.id, toStage });
    const arrivedAt = await this.arrival(session, version.id);
    return countApprovals(approvals, { toStage, arrivedAt, author: version.createdBy, policy: gatePolicyOf(model) });
  }

  /** When the version entered its stage; null for a version that never left its first stage. */
  private async arrival(session: Session, modelVersionId: string): Promise<Date | null> {
    const where = { tenant: session.tenant, modelVersionId };
    const last = await session.em.findOne(StageTransition, where, { orderBy: { createdAt: 'DESC', id: 'DESC' } });
    return last?.createdAt ?? null;
  }

  /**
   * Later than the version's entry into its stage and than any earlier decision, so that the newest one is unambiguous.
   */
  private async nextInstant(session: Session, modelVersionId: string): Promise<Date> {
    const where = { tenant: session.tenant, modelVersionId };
    const last = await session.em.findOne(Approval, where, { orderBy: { createdAt: 'DESC', id: 'DESC' } });
    const arrivedAt = await this.arrival(session, modelVersionId);
    return new Date(Math.max(Date.now(), (arrivedAt?.getTime() ?? 0) + 1, (last?.createdAt.getTime() ?? 0) + 1));
  }
}
