import { isDeepStrictEqual } from 'node:util';
import { GateResult } from '../../db/entities/registry/gate-result.entity.js';
import type { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { DEFAULT_GATE_POLICY, demandsOf, type Gate, gatePolicyOf, type GatePolicy } from '../../domain/registry/gate-policy.js';
import type { GateDecision } from '../../domain/registry/gates.js';
import { hasLoss } from '../../domain/serving/answers.js';

export interface NewGateResult extends GateDecision {
  modelVersionId: string;
  gate: Gate;
  /** By which it was decided. */
  policy: GatePolicy;
  /** The version that it was measured against; null for none. */
  comparedWithId: string | null;
}

export interface MissingGate {
  gate: Gate | 'APPROVALS';
  problem: string;
  /** What to call next. */
  next: string;
}

/** Evidence of a version's quality: the results of its gates, newest counting. */
export class GateService {
  record(session: Session, { modelVersionId, gate, passed, checks, policy, comparedWithId }: NewGateResult): GateResult {
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

  /** Of the gates that are needed, those that the version has not passed by what its model demands now and beside what is in production now. */
  async missing(
    session: Session,
    needed: readonly Gate[],
    { model, version, production }: { model: Model; version: ModelVersion; production: ModelVersion | null },
  ): Promise<MissingGate[]> {
    const results = await this.latest(session, version.id);
    const policy = gatePolicyOf(model);
    const missing: MissingGate[] = [];
    for (const gate of needed) {
      const problem = await this.problemOf(session, gate, results.get(gate), { policy, model, version, production });
      if (problem !== null) missing.push({ gate, problem, next: nextCall(gate, version, production) });
    }
    return missing;
  }

  /** The newest result of each gate that the version has met. */
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
    { policy, model, version, production }: { policy: GatePolicy; model: Model; version: ModelVersion; production: ModelVersion | null },
  ): Promise<string | null> {
    if (!result) return 'has no result yet';
    if (version.evidenceFrom && result.createdAt < version.evidenceFrom) return 'was decided before its columns or classes were changed';
    if (model.evidenceFrom && result.createdAt < model.evidenceFrom) return `was decided before the model’s task became ${model.task}`;
    // Results from before models had policies of their own.
    const demands = result.demands ?? demandsOf(gate, DEFAULT_GATE_POLICY);
    if (!isDeepStrictEqual(demands, demandsOf(gate, policy))) return 'was decided before the model’s gate policy was changed';
    const comparedWithId = result.comparedWithId ?? null;
    if (production && comparesWithProduction(gate, model) && comparedWithId !== production.id) {
      const other = comparedWithId && (await session.em.findOne(ModelVersion, { id: comparedWithId, tenant: session.tenant }));
      const measured = other ? `version ${other.version}` : 'no version';
      return `was measured against ${measured}, and version ${production.version} is in PRODUCTION now`;
    }
    if (result.passed) return null;
    const failed = result.checks.filter((check) => !check.passed);
    return `failed: ${failed.map(({ name, expected, got }) => `${name} (expected ${expected}, got ${got})`).join('; ')}`;
  }
}

function comparesWithProduction(gate: Gate, { task }: Model): boolean {
  switch (gate) {
    case 'SHADOW':
      return true;
    case 'EVALUATION':
      return hasLoss(task);
    case 'VALIDATION':
      return false;
  }
}

function nextCall(gate: Gate, version: ModelVersion, production: ModelVersion | null): string {
  const input = `modelVersionId: "${version.id}"`;
  switch (gate) {
    case 'VALIDATION':
      return `validateModelVersion(input: {${input}})`;
    case 'EVALUATION':
      return `evaluateModelVersion(input: {${input}})`;
    case 'SHADOW':
      return `evaluateModelVersion(input: {${input}}), then deploy it in mode SHADOW beside version ${production?.version ?? ''} at an endpoint with traffic, and decideShadow(input: {deploymentId: …})`;
  }
}
