import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Evaluation } from '../../db/entities/registry/evaluation.entity.js';
import type { GateResult } from '../../db/entities/registry/gate-result.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { hasLoss } from '../../domain/serving/answers.js';
import type { LossComparison } from '../../domain/registry/evaluation.js';
import { EventType } from '../../domain/platform/events.js';
import { decideGate, DEFAULT_GATE_POLICY, type GatePolicy } from '../../domain/registry/gates.js';
import { conflict } from '../../errors.js';
import { audit, emitEvent } from '../platform/use-case.js';
import type { GateService } from '../registry/gate.service.js';
import type { DeploymentService } from './deployment.service.js';
import { readTraffic } from './traffic.service.js';

/** Judges a shadow by what it did with the traffic it got. */
export class ShadowService {
  constructor(
    private readonly live: LiveEvents,
    private readonly deployments: DeploymentService,
    private readonly gates: GateService,
  ) {}

  /** Records the SHADOW gate of the version, passed or not; the checks of one that is not say what is missing. CONFLICT for a live deployment. */
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
    const { task } = await em.findOneOrFail(Model, { id: endpoint.modelId, tenant });
    const [traffic] = await readTraffic(session, [deployment.id], {});
    const evidence = {
      gate: 'SHADOW',
      requests: traffic!.requests,
      errors: traffic!.errors,
      latencyP95Ms: traffic!.latencyP95Ms ?? NaN,
      slaLatencyP95Ms: endpoint.slaLatencyP95Ms,
      comparedRows: traffic!.comparedRows,
      disagreeingRows: traffic!.disagreements,
      comparison: await againstProduction(session, endpoint.modelId, deployment.modelVersionId),
    } as const;
    const decision = decideGate(evidence, policyFor(task));
    const result = this.gates.record(session, { modelVersionId: deployment.modelVersionId, gate: 'SHADOW', ...decision });
    await em.flush();
    const outcome = { passed: decision.passed, deploymentId: deployment.id, gateResultId: result.id };
    audit(session, 'decideShadow', { type: 'modelVersion', id: deployment.modelVersionId }, null, outcome);
    const refs = { modelId: endpoint.modelId, endpointId: endpoint.id };
    emitEvent(session, this.live, EventType.SHADOW_EVALUATED, { type: 'modelVersion', id: deployment.modelVersionId }, outcome, refs);
    return result;
  }
}

/** Clusterings have no labels to be wrong about, so that no evaluation against production can be asked of them. */
function policyFor(task: Model['task']): GatePolicy {
  return { ...DEFAULT_GATE_POLICY, shadow: { ...DEFAULT_GATE_POLICY.shadow, requireEvaluation: hasLoss(task) } };
}

/** The candidate's newest evaluation against the version that is in production now. */
async function againstProduction(session: Session, modelId: string, candidateId: string): Promise<LossComparison | null> {
  const { tenant, em } = session;
  const production = await em.findOne(ModelVersion, { tenant, modelId, stage: 'PRODUCTION' }, { fields: ['id'] });
  if (!production) return null;
  const where = { tenant, modelVersionId: candidateId, baselineVersionId: production.id };
  const newest = await em.findOne(Evaluation, where, { orderBy: { createdAt: 'DESC', id: 'DESC' } });
  return newest && newest.report.task !== 'CLUSTERING' ? newest.report.baseline : null;
}
