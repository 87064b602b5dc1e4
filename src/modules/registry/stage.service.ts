import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { StageTransition } from '../../db/entities/registry/stage-transition.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { requireOwn, within, audit, emitEvent } from '../platform/index.js';
import { type Gate, gatePolicyOf, type GatePolicy } from '../model-quality/index.js';
import { nextStageTowards, type ReleaseStage } from './rules/release.js';
import { Role } from '../core/index.js';
import {
  planRollback,
  planTransition,
  requiredGates,
  requireOverride,
  type Stage,
  type StageChange,
} from './rules/stages.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import type { ApprovalService } from './approval.service.js';
import type { GateService, MissingGate } from './gate.service.js';
import { changeStage } from './stores/states.js';
import { idInProductionAt } from './stores/versions.js';
import type { ModelService } from './model.service.js';
import type { ModelVersionService } from './model-version.service.js';
import type { VersionFollower } from './version-follower.js';
import { REGISTRY_EVENTS } from './events.js';

export interface Promotion {
  modelVersionId: string;
  toStage: 'STAGING' | 'PRODUCTION';
  /** The stage that the client finally wants, when this step only leads to it; a refusal names it. */
  wanted?: Stage;
  /** For PRODUCTION: the version that is there now; null or absent when there is none. */
  expectedProductionVersionId?: string | null;
  reason?: string | null;
  override?: boolean | null;
}

/** A version and its next stage. */
export interface Ahead {
  model: Model;
  version: ModelVersion;
  production: ModelVersion | null;
  policy: GatePolicy;
  /** Null for a version that has reached its target stage or is past it. */
  to: ReleaseStage | null;
  needed: readonly Gate[];
  missing: readonly MissingGate[];
}

export interface TransitionFilter {
  toStage?: Stage[] | null;
  override?: boolean | null;
  createdBy?: string | null;
  from?: Date | null;
  to?: Date | null;
}

const MAX_REASON_CHARACTERS = 2_000;

/**
 * Stages of versions. Changes need gates and happen one at a time per model; each writes an event, an audit entry and a
 * row of the history.
 */
export class StageService {
  constructor(
    private readonly live: LiveEvents,
    private readonly models: ModelService,
    private readonly versions: ModelVersionService,
    private readonly gates: GateService,
    private readonly approvals: ApprovalService,
    private readonly follower: VersionFollower,
  ) {}

  /**
   * Errors: CONFLICT (stage, or production version); GATE_NOT_PASSED, which says what is missing; FORBIDDEN when a role
   * other than ADMIN overrides.
   */
  async promote(session: Session, input: Promotion): Promise<ModelVersion> {
    await requireOwn(session, ModelVersion, 'model version', [input.expectedProductionVersionId]);
    const { model, version, production } = await this.lock(session, input.modelVersionId);
    if (version.status !== 'READY')
      throw conflict(`Version ${version.version} is ${version.status}.`, {
        expected: 'a READY version',
        got: version.status,
      });
    if (input.toStage === 'PRODUCTION') requireProduction(production, input.expectedProductionVersionId ?? null);
    const plan = planTransition(
      [version, ...(production && production !== version ? [production] : [])],
      version.id,
      input.toStage,
    );
    const needed = requiredGates(version.stage, input.toStage, {
      firstProduction: production === null,
      policy: gatePolicyOf(model),
    });
    const missing = await this.gates.missing(session, needed, { model, version, production });
    const unapproved = await this.approvals.missing(session, model, version, input.toStage);
    if (unapproved) missing.push(unapproved);
    const reason = input.reason ?? '';
    if (input.override === true) requireOverride({ isAdmin: session.principal.role === Role.ADMIN, reason });
    else if (missing.length > 0) throw gateNotPassed(version, input.toStage, input.wanted ?? input.toStage, missing);
    await this.apply(session, 'promoteModelVersion', version.modelId, plan, {
      reason,
      override: missing.length > 0,
      missing,
    });
    return this.fresh(session, version.id);
  }

  /**
   * What a version still needs for the next stage on the way to `target`. The model is locked, so that this stays true
   * in this transaction.
   */
  async ahead(session: Session, modelVersionId: string, target: ReleaseStage): Promise<Ahead> {
    const { model, version, production } = await this.lock(session, modelVersionId);
    const policy = gatePolicyOf(model);
    const to = nextStageTowards(version.stage, target);
    if (to === null) return { model, version, production, policy, to, needed: [], missing: [] };
    const needed = requiredGates(version.stage, to, { firstProduction: production === null, policy });
    const missing = await this.gates.missing(session, needed, { model, version, production });
    const unapproved = await this.approvals.missing(session, model, version, to);
    return { model, version, production, policy, to, needed, missing: unapproved ? [...missing, unapproved] : missing };
  }

  /** Moves a version out of PRODUCTION without a successor, or back to DEVELOPMENT. */
  async demote(
    session: Session,
    input: { modelVersionId: string; toStage: 'DEVELOPMENT' | 'ARCHIVED'; reason?: string | null },
  ): Promise<ModelVersion> {
    const { version } = await this.lock(session, input.modelVersionId);
    const plan = planTransition([version], version.id, input.toStage);
    await this.apply(
      session,
      input.toStage === 'ARCHIVED' ? 'archiveModelVersion' : 'demoteModelVersion',
      version.modelId,
      plan,
      {
        reason: input.reason ?? '',
      },
    );
    return this.fresh(session, version.id);
  }

  /** The previous production version returns, on its earlier gate results; the current one goes to DEVELOPMENT. */
  async rollback(
    session: Session,
    input: { modelId: string; expectedProductionVersionId?: string | null; reason?: string | null },
  ): Promise<{ restored: ModelVersion; replaced: ModelVersion }> {
    await requireOwn(session, ModelVersion, 'model version', [input.expectedProductionVersionId]);
    await this.models.lock(session, input.modelId);
    const production = await this.production(session, input.modelId);
    if (!production)
      throw conflict('The model has no version in PRODUCTION to roll back from.', { field: 'input.modelId' });
    if (input.expectedProductionVersionId != null) requireProduction(production, input.expectedProductionVersionId);
    const previous = await this.previousProduction(session, production);
    if (!previous) throw conflict('No other version of the model has been in PRODUCTION.', { field: 'input.modelId' });
    await this.apply(session, 'rollbackModel', input.modelId, planRollback([production, previous], previous.id), {
      reason: input.reason ?? '',
    });
    return { restored: await this.fresh(session, previous.id), replaced: await this.fresh(session, production.id) };
  }

  /** The version that was in production at a time; null when there was none. */
  async productionAt(session: Session, modelId: string, at: Date): Promise<ModelVersion | null> {
    await this.models.get(session, modelId);
    const id = await idInProductionAt(session, modelId, at);
    return id === null ? null : session.em.findOne(ModelVersion, { id, tenant: session.tenant });
  }

  /** The stage of a version at a time; null before it was registered. */
  async stageAt(session: Session, modelVersionId: string, at: Date): Promise<Stage | null> {
    const version = await this.versions.get(session, modelVersionId);
    const last = await session.em.findOne(
      StageTransition,
      { tenant: session.tenant, modelVersionId, createdAt: { $lte: at } },
      { orderBy: { createdAt: 'DESC', id: 'DESC' } },
    );
    if (last) return last.toStage as Stage;
    return version.createdAt <= at ? 'DEVELOPMENT' : null;
  }

  async history(
    session: Session,
    modelId: string,
    { toStage, override, createdBy, from, to }: TransitionFilter,
    page: PageRequest,
    order: Order<'createdAt'>,
  ): Promise<Page<StageTransition>> {
    await this.models.get(session, modelId);
    const where = {
      tenant: session.tenant,
      modelId,
      ...(toStage?.length && { toStage: { $in: toStage } }),
      ...(override != null && { override }),
      ...(createdBy != null && { createdBy }),
      ...within({ from, to }),
    };
    return paginate(session, StageTransition, where, page, order);
  }

  /** Locks the model and returns the version and the one in production. Other changes of the model's stages wait. */
  private async lock(
    session: Session,
    versionId: string,
  ): Promise<{ model: Model; version: ModelVersion; production: ModelVersion | null }> {
    const { modelId } = await this.versions.get(session, versionId);
    const model = await this.models.lock(session, modelId);
    const version = await this.versions.getFresh(session, versionId);
    return { model, version, production: await this.production(session, modelId) };
  }

  private production(session: Session, modelId: string): Promise<ModelVersion | null> {
    return session.em.findOne(
      ModelVersion,
      { tenant: session.tenant, modelId, stage: 'PRODUCTION' },
      { refresh: true },
    );
  }

  /** The version that left production last. */
  private async previousProduction(session: Session, present: ModelVersion): Promise<ModelVersion | null> {
    const left = await session.em.findOne(
      StageTransition,
      {
        tenant: session.tenant,
        modelId: present.modelId,
        fromStage: 'PRODUCTION',
        modelVersionId: { $ne: present.id },
      },
      { orderBy: { createdAt: 'DESC', id: 'DESC' } },
    );
    return (
      left && session.em.findOne(ModelVersion, { id: left.modelVersionId, tenant: session.tenant }, { refresh: true })
    );
  }

  private async apply(
    session: Session,
    action: string,
    modelId: string,
    plan: readonly StageChange[],
    {
      reason,
      override = false,
      missing = [],
    }: { reason: string; override?: boolean; missing?: readonly MissingGate[] },
  ): Promise<void> {
    const why = reason.slice(0, MAX_REASON_CHARACTERS);
    const createdAt = await this.nextInstant(session, modelId);
    const model = await this.models.get(session, modelId);
    model.updatedAt = createdAt;
    for (const { versionId, from, to } of plan) {
      // One statement for each version, in the order of the plan, because the index never allows two versions in
      // production.
      await changeStage(session, { versionId, from, to });
      session.em.create(StageTransition, {
        tenant: session.tenant,
        createdAt,
        modelId,
        modelVersionId: versionId,
        fromStage: from,
        toStage: to,
        reason: why,
        override,
        createdBy: session.principal.subject,
      });
      const payload = { fromStage: from, toStage: to, reason: why, override, by: session.principal.subject };
      emitEvent(
        session,
        this.live,
        REGISTRY_EVENTS.MODEL_STAGE_CHANGED,
        { type: 'modelVersion', id: versionId },
        payload,
        {
          modelId,
        },
      );
      const after = {
        stage: to,
        reason: why,
        override,
        ...(override && { gatesNotPassed: missing.map(({ gate }) => gate) }),
      };
      audit(session, action, { type: 'modelVersion', id: versionId }, { stage: from }, after);
    }
    await session.em.flush();
    await this.follower.stageChanged(session, modelId);
  }

  /**
   * All transitions of one change have the same time. It is later than any before, so that the order of the history is
   * clear.
   */
  private async nextInstant(session: Session, modelId: string): Promise<Date> {
    const last = await session.em.findOne(
      StageTransition,
      { tenant: session.tenant, modelId },
      { orderBy: { createdAt: 'DESC' } },
    );
    return new Date(Math.max(Date.now(), (last?.createdAt.getTime() ?? 0) + 1));
  }

  private async fresh(session: Session, id: string): Promise<ModelVersion> {
    return session.em.findOneOrFail(ModelVersion, { id, tenant: session.tenant }, { refresh: true });
  }
}

export function requireProduction(production: ModelVersion | null, expected: string | null): void {
  if ((production?.id ?? null) === expected) return;
  const present = production ? `version ${production.version} (${production.id})` : 'no version';
  throw conflict(`In PRODUCTION is ${present}, not the version that was expected: check before you replace it.`, {
    field: 'input.expectedProductionVersionId',
    expected: expected ?? 'none',
    got: production?.id ?? 'none',
  });
}

function gateNotPassed(
  { version }: ModelVersion,
  toStage: Stage,
  wanted: Stage,
  missing: readonly MissingGate[],
): AppError {
  const lines = missing.map(
    ({ gate, problem, next }) => `${gate === 'APPROVALS' ? 'it' : `gate ${gate}`} ${problem}. Next: ${next}.`,
  );
  const way = toStage === wanted ? '' : `first it goes to ${toStage}, and `;
  return new AppError(
    ErrorCode.GATE_NOT_PASSED,
    `Version ${version} cannot go to ${wanted}: ${way}${lines.join(' ')}`,
    {
      field: 'input.modelVersionId',
      expected: missing.map(({ gate }) => gate).join(', '),
      got: missing.map(({ gate, problem }) => `${gate} ${problem}`).join('; '),
      missing,
    },
  );
}
