import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Evaluation } from '../../db/entities/evaluation/evaluation.entity.js';
import type { GateResult } from '../../db/entities/registry/gate-result.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { StageTransition } from '../../db/entities/registry/stage-transition.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { hasLoss } from '../algorithms/index.js';
import { type LossComparison, type GatePolicy, gatePolicyOf } from '../model-quality/index.js';
import { audit, emitEvent } from '../platform/index.js';
import { decideGate, type GateService } from '../registry/index.js';
import { conflict } from '../../errors.js';
import type { DeploymentService } from './deployment.service.js';
import { readTraffic } from './traffic.service.js';
import { slaOf } from './sla.js';
import { SERVING_EVENTS } from './events.js';

/** Decides about a shadow by the traffic that it received. */
export class ShadowService {
  constructor(
    private readonly live: LiveEvents,
    private readonly deployments: DeploymentService,
    private readonly gates: GateService,
  ) {}

  /**
   * Records the SHADOW gate of the version, passed or not; the checks say what is missing. CONFLICT for a live
   * deployment.
   */
  async decide(session: Session, deploymentId: string): Promise<GateResult> {
    const deployment = await this.deployments.get(session, deploymentId);
    if (deployment.mode !== 'SHADOW')
      throw conflict('Only a shadow deployment can be judged as one.', {
        field: 'input.deploymentId',
        expected: 'SHADOW',
        got: deployment.mode,
      });
    const { tenant, em } = session;
    const endpoint = await em.findOneOrFail(Endpoint, { id: deployment.endpointId, tenant });
    const model = await em.findOneOrFail(Model, { id: endpoint.modelId, tenant });
    const production = await em.findOne(ModelVersion, { tenant, modelId: model.id, stage: 'PRODUCTION' });
    const [traffic] = await readTraffic(session, [deployment.id], {
      from: production && (await arrivalInProduction(session, production)),
    });
    const evidence = {
      gate: 'SHADOW',
      requests: traffic!.requests,
      errors: traffic!.errors,
      latencyP95Ms: traffic!.latencyP95Ms ?? NaN,
      slaLatencyP95Ms: slaOf(deployment, endpoint).latencyP95Ms,
      besideProduction: production !== null && (await isLiveAt(session, endpoint.id, production.id)),
      comparedRows: traffic!.comparedRows,
      disagreeingRows: traffic!.disagreements,
      comparison: production && (await newestComparison(session, deployment.modelVersionId, production.id)),
    } as const;
    const policy = gatePolicyOf(model);
    const decision = decideGate(evidence, policyFor(model.task, policy));
    const { modelVersionId } = deployment;
    const result = this.gates.record(session, {
      modelVersionId,
      gate: 'SHADOW',
      ...decision,
      policy,
      comparedWithId: production?.id ?? null,
    });
    await em.flush();
    const outcome = {
      passed: decision.passed,
      deploymentId: deployment.id,
      gateResultId: result.id,
      comparedWithId: production?.id ?? null,
    };
    audit(session, 'decideShadow', { type: 'modelVersion', id: deployment.modelVersionId }, null, outcome);
    const refs = { modelId: endpoint.modelId, endpointId: endpoint.id };
    emitEvent(
      session,
      this.live,
      SERVING_EVENTS.SHADOW_EVALUATED,
      { type: 'modelVersion', id: deployment.modelVersionId },
      outcome,
      refs,
    );
    return result;
  }
}

/** Clusterings have no labels, so an evaluation against production cannot be required. */
function policyFor(task: Model['task'], policy: GatePolicy): GatePolicy {
  return {
    ...policy,
    shadow: { ...policy.shadow, requireEvaluation: policy.shadow.requireEvaluation && hasLoss(task) },
  };
}

const MINUTE_MS = 60_000;

/** The minute in which the version entered PRODUCTION: earlier traffic was compared with another version. */
async function arrivalInProduction({ em, tenant }: Session, { id }: ModelVersion): Promise<Date | null> {
  const where = { tenant, modelVersionId: id, toStage: 'PRODUCTION' as const };
  const arrival = await em.findOne(StageTransition, where, { orderBy: { createdAt: 'DESC' } });
  return arrival && new Date(Math.floor(arrival.createdAt.getTime() / MINUTE_MS) * MINUTE_MS);
}

async function isLiveAt({ em, tenant }: Session, endpointId: string, modelVersionId: string): Promise<boolean> {
  const where = {
    tenant,
    endpointId,
    modelVersionId,
    mode: 'LIVE' as const,
    status: 'READY' as const,
    weightBps: { $gt: 0 },
  };
  return (await em.count(Deployment, where)) > 0;
}

/** The candidate's newest evaluation against the version that is in production now. */
async function newestComparison(
  { em, tenant }: Session,
  candidateId: string,
  productionId: string,
): Promise<LossComparison | null> {
  const where = { tenant, modelVersionId: candidateId, baselineVersionId: productionId };
  const newest = await em.findOne(Evaluation, where, { orderBy: { createdAt: 'DESC', id: 'DESC' } });
  return newest && newest.report.task !== 'CLUSTERING' ? newest.report.baseline : null;
}
