import { isDeepStrictEqual } from 'node:util';
import { Evaluation } from '../../db/entities/evaluation/evaluation.entity.js';
import { GateResult } from '../../db/entities/registry/gate-result.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { Session } from '../../db/database.js';
import { DEFAULT_GATE_POLICY, demandsOf, type Gate, gatePolicyOf, type GatePolicy } from '../model-quality/index.js';
import type { GateDecision } from './rules/gates.js';
import { nextStep, type ShadowSituation } from './rules/next-step.js';
import { hasLoss } from '../algorithms/index.js';
import { conflict } from '../../errors.js';

export interface NewGateResult extends GateDecision {
  modelVersionId: string;
  gate: Gate;
  /** The policy by which it was decided. */
  policy: GatePolicy;
  /** The version that it was compared with; null when there was none. */
  comparedWithId: string | null;
}

export interface MissingGate {
  gate: Gate | 'APPROVALS';
  problem: string;
  /** The call to make next. */
  next: string;
}

/** The version, its model and the policy for which a gate is decided. */
interface GateSubject {
  policy: GatePolicy;
  model: Model;
  version: ModelVersion;
  production: ModelVersion | null;
}

/** The results of a version's gates. The newest result of each gate counts. */
export class GateService {
  record(
    session: Session,
    { modelVersionId, gate, passed, checks, policy, comparedWithId }: NewGateResult,
  ): GateResult {
    return session.em.create(GateResult, {
      tenant: session.tenant,
      modelVersionId,
      gate,
      passed,
      checks,
      demands: demandsOf(gate, policy),
      comparedWithId,
      createdBy: session.principal.subject,
    });
  }

  /** CONFLICT when columns, classes or task changed after a measurement began. */
  async requireUnchanged(session: Session, version: ModelVersion, model: Model): Promise<void> {
    const where = { tenant: session.tenant };
    const now = await session.em.findOneOrFail(
      ModelVersion,
      { ...where, id: version.id },
      { fields: ['evidenceFrom'], disableIdentityMap: true },
    );
    const modelNow = await session.em.findOneOrFail(
      Model,
      { ...where, id: model.id },
      { fields: ['evidenceFrom'], disableIdentityMap: true },
    );
    const isSame =
      sameInstant(now.evidenceFrom, version.evidenceFrom) && sameInstant(modelNow.evidenceFrom, model.evidenceFrom);
    if (!isSame)
      throw conflict(
        'The columns, classes or the task were changed while the version was measured: start the measurement again.',
        {
          got: version.id,
        },
      );
  }

  /**
   * The required gates that the version has not passed, by the current gate policy and against the version that is in
   * production now.
   */
  async missing(
    session: Session,
    needed: readonly Gate[],
    { model, version, production }: { model: Model; version: ModelVersion; production: ModelVersion | null },
  ): Promise<MissingGate[]> {
    const results = await this.latest(session, version.id);
    const policy = gatePolicyOf(model);
    const missing: MissingGate[] = [];
    for (const gate of needed) {
      const found = await this.problemOf(session, gate, results.get(gate), { policy, model, version, production });
      if (found === null) continue;
      const situation = {
        modelVersionId: version.id,
        isTrained: Object.keys(version.metrics).length > 0,
        failed: found.failed,
        ...(gate === 'SHADOW' && { shadow: await this.shadowOf(session, { policy, model, version, production }) }),
      };
      missing.push({ gate, problem: found.problem, next: nextStep(gate, situation) });
    }
    return missing;
  }

  /** The rows and the baseline of its newest evaluation that still counts; null without one. */
  async newestEvaluation(
    session: Session,
    { model, version }: Pick<GateSubject, 'model' | 'version'>,
  ): Promise<Pick<Evaluation, 'datasetId' | 'baselineVersionId'> | null> {
    const since = Math.max(version.evidenceFrom?.getTime() ?? 0, model.evidenceFrom?.getTime() ?? 0);
    const where = { tenant: session.tenant, modelVersionId: version.id, createdAt: { $gte: new Date(since) } };
    const orderBy = { createdAt: 'DESC', id: 'DESC' } as const;
    return session.em.findOne(Evaluation, where, {
      orderBy,
      fields: ['datasetId', 'baselineVersionId'],
      refresh: true,
    });
  }

  private async shadowOf(
    session: Session,
    { policy, model, version, production }: GateSubject,
  ): Promise<ShadowSituation> {
    const { tenant, em } = session;
    const active = { $in: ['PENDING' as const, 'READY' as const] };
    const shadow = await em.findOne(Deployment, { tenant, modelVersionId: version.id, mode: 'SHADOW', status: active });
    const live =
      production &&
      (await em.findOne(Deployment, { tenant, modelVersionId: production.id, mode: 'LIVE', status: active }));
    const evaluation = await this.newestEvaluation(session, { model, version });
    return {
      isCompared: production !== null && evaluation?.baselineVersionId === production.id,
      deploymentId: shadow?.id ?? null,
      endpointId: live?.endpointId ?? null,
      minRequests: policy.shadow.minRequests,
    };
  }

  /** The newest result of each gate of the version. */
  private async latest(session: Session, modelVersionId: string): Promise<Map<Gate, GateResult>> {
    const results = await session.em.find(
      GateResult,
      { tenant: session.tenant, modelVersionId },
      { orderBy: { createdAt: 'ASC', id: 'ASC' } },
    );
    return new Map(results.map((result) => [result.gate, result]));
  }

  private async problemOf(
    session: Session,
    gate: Gate,
    result: GateResult | undefined,
    { policy, model, version, production }: GateSubject,
  ): Promise<{ problem: string; failed: readonly string[] } | null> {
    const undecided = (problem: string) => ({ problem, failed: [] });
    if (!result) return undecided('has no result yet');
    if (version.evidenceFrom && result.createdAt < version.evidenceFrom)
      return undecided('was decided before its columns or classes were changed');
    if (model.evidenceFrom && result.createdAt < model.evidenceFrom)
      return undecided(`was decided before the model’s task became ${model.task}`);
    // Results from the time before gate policies.
    const demands = result.demands ?? demandsOf(gate, DEFAULT_GATE_POLICY);
    if (!isDeepStrictEqual(demands, demandsOf(gate, policy)))
      return undecided('was decided before the model’s gate policy was changed');
    const comparedWithId = result.comparedWithId ?? null;
    if (production && comparesWithProduction(gate, model) && comparedWithId !== production.id) {
      const other =
        comparedWithId && (await session.em.findOne(ModelVersion, { id: comparedWithId, tenant: session.tenant }));
      const measured = other ? `version ${other.version}` : 'no version';
      return undecided(`was measured against ${measured}, and version ${production.version} is in PRODUCTION now`);
    }
    if (result.passed) return null;
    const failed = result.checks.filter((check) => !check.passed);
    return {
      problem: `failed: ${failed.map(({ name, expected, got }) => `${name} (expected ${expected}, got ${got})`).join('; ')}`,
      failed: failed.map(({ name }) => name),
    };
  }
}

function sameInstant(a: Date | null | undefined, b: Date | null | undefined): boolean {
  return (a?.getTime() ?? 0) === (b?.getTime() ?? 0);
}

function comparesWithProduction(gate: Gate, { task }: Model): boolean {
  switch (gate) {
    case 'SHADOW':
    case 'AB_TEST':
      return true;
    case 'EVALUATION':
      return hasLoss(task);
    case 'VALIDATION':
      return false;
  }
}
