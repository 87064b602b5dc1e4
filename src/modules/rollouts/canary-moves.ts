import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Canary } from '../../db/entities/rollouts/canary.entity.js';
import type { Session } from '../../db/database.js';
import { emitEvent, type EventType } from '../platform/index.js';
import { FULL_WEIGHT_BPS } from '../core/index.js';
import { type DeploymentService, type TrafficHolder } from '../serving/index.js';
import { ROLLOUT_EVENTS } from './events.js';
import { weightsOfStep } from './rules/canary-plan.js';
import { changeCanaryStatus } from './stores/canaries.js';

/** The topic on which the followers of a canary learn that it has changed. */
export const canaryTopic = (id: string) => `canary:${id}`;

const ENDS = {
  PROMOTED: ROLLOUT_EVENTS.CANARY_PROMOTED,
  ROLLED_BACK: ROLLOUT_EVENTS.CANARY_ROLLED_BACK,
  ABORTED: ROLLOUT_EVENTS.CANARY_ABORTED,
  LOAD_FAILED: ROLLOUT_EVENTS.CANARY_LOAD_FAILED,
};

/** Changes the state of a locked canary together with the traffic of its endpoint, in one transaction. */
export class CanaryMoves {
  constructor(
    private readonly live: LiveEvents,
    private readonly deployments: DeploymentService,
  ) {}

  holderOf({ id }: Pick<Canary, 'id'>): TrafficHolder {
    return `canary ${id}`;
  }

  /** Begins a step, also one that was begun before. */
  async begin(session: Session, canary: Canary, step: number, reason: string): Promise<void> {
    await changeCanaryStatus(session, canary, 'RUNNING', reason);
    Object.assign(canary, { step, stepStartedAt: new Date(), failures: 0, sourceErrors: 0, askedAt: null });
    const { weightBps } = canary.steps[step]!;
    const weights = weightsOfStep({ weightBps });
    await this.divide(session, canary, [
      [canary.canaryDeploymentId, weights.canary],
      [canary.controlDeploymentId, weights.control],
      [canary.stableDeploymentId, weights.stable],
    ]);
    await this.tell(session, canary, ROLLOUT_EVENTS.CANARY_STEPPED, { step, weightBps });
  }

  async pause(session: Session, canary: Canary, reason: string): Promise<void> {
    await changeCanaryStatus(session, canary, 'PAUSED', reason);
    await this.tell(session, canary, ROLLOUT_EVENTS.CANARY_PAUSED, { reason });
  }

  async askForApproval(session: Session, canary: Canary): Promise<void> {
    const by = canary.steps[canary.step]!.approval === 'WEBHOOK' ? 'its webhook' : 'a person (approveCanary)';
    const sentence = `Step ${canary.step + 1} of ${canary.steps.length} was passed; it waits for ${by}.`;
    await changeCanaryStatus(session, canary, 'WAITING_FOR_APPROVAL', sentence);
    await this.tell(session, canary, ROLLOUT_EVENTS.CANARY_WAITING_FOR_APPROVAL, { step: canary.step });
  }

  /** All traffic goes to the version that stays; the other deployments stop, and people set the weights again. */
  async end(session: Session, canary: Canary, status: keyof typeof ENDS, reason: string): Promise<void> {
    await changeCanaryStatus(session, canary, status, reason);
    const { canaryDeploymentId, controlDeploymentId, stableDeploymentId } = canary;
    const kept = status === 'PROMOTED' ? canaryDeploymentId : stableDeploymentId;
    await this.divide(session, canary, [[kept, FULL_WEIGHT_BPS]]);
    const holder = this.holderOf(canary);
    for (const id of [canaryDeploymentId, controlDeploymentId, stableDeploymentId]) {
      if (id === kept) continue;
      const deployment = await this.deployments.get(session, id);
      if (deployment.status === 'READY' || deployment.status === 'PENDING')
        await this.deployments.undeploy(session, id, holder);
    }
    await this.deployments.releaseTraffic(session, canary.endpointId, holder);
    await this.tell(session, canary, ENDS[status], { reason });
  }

  async tell(session: Session, canary: Canary, type: EventType, payload: Record<string, unknown>): Promise<void> {
    const { id, endpointId, modelVersionId } = canary;
    const { modelId } = await this.deployments.lockEndpoint(session, endpointId);
    emitEvent(
      session,
      this.live,
      type,
      { type: 'canary', id },
      { modelVersionId, ...payload },
      { modelId, endpointId },
    );
    this.changed(session, canary);
  }

  changed(session: Session, { id }: Pick<Canary, 'id'>): void {
    session.afterCommit(() => this.live.publish(canaryTopic(id)));
  }

  /** The given weights; every other live deployment has none. */
  private async divide(
    session: Session,
    canary: Canary,
    given: [deploymentId: string, weightBps: number][],
  ): Promise<void> {
    const wanted = new Map(given);
    const { endpointId } = canary;
    const live = await this.deployments.liveOf(session, endpointId);
    if (live.every(({ id, weightBps }) => weightBps === (wanted.get(id) ?? 0))) return;
    const weights = live.map(({ id }) => ({ deploymentId: id, weightBps: wanted.get(id) ?? 0 }));
    await this.deployments.setWeights(session, { endpointId, weights }, this.holderOf(canary));
    await session.em.flush();
  }
}
