import type { FilterQuery } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Webhook } from '../../db/entities/platform/webhook.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Canary } from '../../db/entities/rollouts/canary.entity.js';
import type { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { badInput, conflict, notFound } from '../../errors.js';
import { signatureDifference } from '../model-contract/index.js';
import { audit, lookUntil, requireOwn } from '../platform/index.js';
import type { ModelVersionService } from '../registry/index.js';
import { FULL_WEIGHT_BPS } from '../core/index.js';
import { type DeploymentService, sameFanOut } from '../serving/index.js';
import { type CanaryMoves, canaryTopic } from './canary-moves.js';
import { ROLLOUT_EVENTS } from './events.js';
import { type CanaryStep, followingAction, requireGrowingSteps } from './rules/canary-plan.js';
import { type CanaryGuard, leastIncrease } from './rules/guards.js';
import { lockCanary } from './stores/canaries.js';

export interface NewCanary {
  endpointId: string;
  modelVersionId: string;
  steps: CanaryStep[];
  guards: CanaryGuard[];
  errorProbability?: number | null;
  minRequests?: number | null;
  failureLimit?: number | null;
  sourceErrorLimit?: number | null;
  approvalWebhookId?: string | null;
  rollbackWindowSeconds?: number | null;
}

export interface CanaryFilter {
  endpointId?: string | null;
  modelVersionId?: string | null;
  status?: Canary['status'][] | null;
}

const DEFAULTS = { alpha: 0.05, minRequests: 100, failureLimit: 1, sourceErrorLimit: 5, rollbackWindowSeconds: 86_400 };

/** Canaries, as people start and steer them. `CanaryTick` moves them on. */
export class CanaryService {
  constructor(
    private readonly live: LiveEvents,
    private readonly deployments: DeploymentService,
    private readonly versions: ModelVersionService,
    private readonly moves: CanaryMoves,
  ) {}

  async start(session: Session, input: NewCanary): Promise<Canary> {
    const { endpointId, modelVersionId, steps, guards, approvalWebhookId } = input;
    requireGrowingSteps(steps, 'input.steps');
    requireOneOfEach(guards);
    requirePassable(guards);
    await requireOwn(session, ModelVersion, 'model version', [modelVersionId]);
    await requireOwn(session, Webhook, 'webhook', [approvalWebhookId]);
    const asksWebhook = steps.some(({ approval }) => approval === 'WEBHOOK');
    if (asksWebhook !== (approvalWebhookId != null))
      throw badInput(
        'input.approvalWebhookId',
        asksWebhook ? 'the webhook that approves a step' : 'nothing, as no step is approved by a webhook',
        approvalWebhookId ?? null,
      );
    const id = uuidv7();
    const holder = this.moves.holderOf({ id });
    await this.deployments.holdTraffic(session, endpointId, holder);
    const stable = await this.onlyServing(session, endpointId);
    const stableVersion = await this.versions.get(session, stable.modelVersionId);
    await this.stopShadow(session, endpointId, modelVersionId);
    const canary = await this.deployments.deploy(
      session,
      {
        ...{
          endpointId,
          modelVersionId,
          mode: 'LIVE',
          weightBps: 0,
          batching: stable.batching,
          runtime: stable.runtime,
          fanOut: stable.fanOut && sameFanOut(stable.fanOut),
        },
        forViewers: stable.forViewers || stableVersion.stage === 'PRODUCTION',
      },
      holder,
    );
    await this.requireSameSignature(session, stableVersion, modelVersionId);
    const control = await this.deployments.deployControl(session, stable, holder);
    const started = session.em.create(Canary, {
      ...{ id, tenant: session.tenant, endpointId, modelVersionId, steps, guards },
      ...{ stableVersionId: stable.modelVersionId, stableDeploymentId: stable.id },
      ...{ canaryDeploymentId: canary.id, controlDeploymentId: control.id },
      alpha: input.errorProbability ?? DEFAULTS.alpha,
      minRequests: input.minRequests ?? DEFAULTS.minRequests,
      failureLimit: input.failureLimit ?? DEFAULTS.failureLimit,
      sourceErrorLimit: input.sourceErrorLimit ?? DEFAULTS.sourceErrorLimit,
      approvalWebhookId: approvalWebhookId ?? null,
      skipsSteps: await this.hasServedRecently(session, input),
      status: 'LOADING',
      reason: 'The model of the canary is being loaded.',
      judgement: [],
      lookAt: new Date(),
      createdBy: session.principal.subject,
    });
    await session.em.flush();
    audit(session, 'startCanary', { type: 'canary', id }, null, {
      ...{ endpointId, modelVersionId, steps, guards, stableVersionId: stable.modelVersionId },
    });
    await this.moves.tell(session, started, ROLLOUT_EVENTS.CANARY_STARTED, {});
    return started;
  }

  /** The traffic stays as it is, and no step follows; a proven failure still ends the canary. */
  async pause(session: Session, id: string): Promise<Canary> {
    const canary = await this.locked(session, id);
    await this.moves.pause(session, canary, `Paused by ${session.principal.subject}.`);
    audit(session, 'pauseCanary', { type: 'canary', id }, null, { step: canary.step });
    return canary;
  }

  /** The present step begins again; what was counted counts on. */
  async resume(session: Session, id: string): Promise<Canary> {
    const canary = await this.locked(session, id);
    if (canary.status !== 'PAUSED')
      throw conflict(`Canary ${id} is ${canary.status}: only a paused one is resumed.`, {
        expected: 'PAUSED',
        got: canary.status,
      });
    await this.moves.begin(session, canary, canary.step, `Resumed by ${session.principal.subject}.`);
    audit(session, 'resumeCanary', { type: 'canary', id }, null, { step: canary.step });
    return canary;
  }

  /** The step that waits for a person, or for its webhook, is approved. */
  async approve(session: Session, id: string): Promise<Canary> {
    const canary = await this.locked(session, id);
    if (canary.status !== 'WAITING_FOR_APPROVAL')
      throw conflict(`Canary ${id} is ${canary.status}: it waits for no approval.`, {
        expected: 'WAITING_FOR_APPROVAL',
        got: canary.status,
      });
    const { step } = canary;
    await this.goOn(session, canary, `approved by ${session.principal.subject}`);
    audit(session, 'approveCanary', { type: 'canary', id }, null, { step });
    return canary;
  }

  /** The old version gets all traffic, at once. */
  async abort(session: Session, id: string): Promise<Canary> {
    const canary = await this.locked(session, id);
    await this.moves.end(session, canary, 'ABORTED', `Aborted by ${session.principal.subject}.`);
    audit(session, 'abortCanary', { type: 'canary', id }, null, { step: canary.step });
    return canary;
  }

  /** The new version gets all traffic, at once, whatever the guards say. CONFLICT until it is loaded. */
  async promote(session: Session, id: string): Promise<Canary> {
    const canary = await this.locked(session, id);
    if (canary.status === 'LOADING')
      throw conflict(`The model of canary ${id} is not loaded yet: traffic goes only to a version that is ready.`, {
        expected: 'RUNNING, PAUSED or WAITING_FOR_APPROVAL',
        got: canary.status,
      });
    await this.moves.end(session, canary, 'PROMOTED', `Promoted by ${session.principal.subject}.`);
    audit(session, 'promoteCanary', { type: 'canary', id }, null, { step: canary.step });
    return canary;
  }

  /** The next step, or the promotion after the last one. `how`: who agreed. */
  async goOn(session: Session, canary: Canary, how: string): Promise<void> {
    const sentence = `Step ${canary.step + 1} of ${canary.steps.length} was ${how}.`;
    if (followingAction(canary) === 'PROMOTE') await this.moves.end(session, canary, 'PROMOTED', sentence);
    else await this.moves.begin(session, canary, canary.step + 1, sentence);
  }

  async get(session: Session, id: string): Promise<Canary> {
    const canary = await session.em.findOne(Canary, { id, tenant: session.tenant });
    if (!canary) throw notFound('canary', id);
    return canary;
  }

  /** The canary now, and again after each change, until it has ended. */
  async *follow(read: () => Promise<Canary>, id: string, signal: AbortSignal): AsyncGenerator<Canary> {
    let seen = 0;
    const hasChanged = ({ updatedAt }: Canary) => updatedAt.getTime() !== seen;
    while (!signal.aborted) {
      const canary = await lookUntil(this.live, canaryTopic(id), read, hasChanged, signal);
      if (signal.aborted) return;
      yield canary;
      if (canary.endedAt) return;
      seen = canary.updatedAt.getTime();
    }
  }

  async list(
    session: Session,
    filter: CanaryFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'updatedAt'>,
  ): Promise<Page<Canary>> {
    await requireOwn(session, Endpoint, 'endpoint', [filter.endpointId]);
    await requireOwn(session, ModelVersion, 'model version', [filter.modelVersionId]);
    const where: FilterQuery<Canary> = { tenant: session.tenant };
    for (const field of ['endpointId', 'modelVersionId'] as const)
      if (filter[field] != null) Object.assign(where, { [field]: filter[field] });
    if (filter.status?.length) Object.assign(where, { status: { $in: filter.status } });
    return paginate(session, Canary, where, page, order);
  }

  /** The canary, locked until the transaction ends; its endpoint is locked first, as in every change of traffic. */
  private async locked(session: Session, id: string): Promise<Canary> {
    const { endpointId } = await this.get(session, id);
    await this.deployments.lockEndpoint(session, endpointId);
    const canary = await lockCanary(session, id);
    if (!canary) throw notFound('canary', id);
    return canary;
  }

  /** The deployment that has all traffic. */
  private async onlyServing(session: Session, endpointId: string): Promise<Deployment> {
    const serving = (await this.deployments.liveOf(session, endpointId)).filter(({ weightBps }) => weightBps > 0);
    const [stable] = serving;
    if (stable?.weightBps === FULL_WEIGHT_BPS) return stable;
    throw conflict(
      serving.length === 0
        ? 'Nothing serves at this endpoint, so that a canary has nothing to be compared with: deploy the version.'
        : 'A canary replaces one version that has all traffic: give it 10,000 basis points (setTrafficWeights).',
      { field: 'input.endpointId', expected: 'one live deployment with all traffic', got: `${serving.length}` },
    );
  }

  /** The canary takes the place of a shadow of the same version, as a promotion does. */
  private async stopShadow(session: Session, endpointId: string, modelVersionId: string): Promise<void> {
    const shadow = await this.deployments.activeShadow(session, endpointId, modelVersionId);
    if (shadow) await this.deployments.undeploy(session, shadow.id);
    await session.em.flush();
  }

  private async requireSameSignature(session: Session, stable: ModelVersion, modelVersionId: string): Promise<void> {
    const version = await this.versions.get(session, modelVersionId);
    if (!stable.signature || !version.signature) return;
    const difference = signatureDifference(stable.signature, version.signature);
    if (difference)
      throw badInput(
        'input.modelVersionId',
        `a version that clients of version ${stable.version} can call without a change`,
        `version ${version.version}: ${difference}`,
      );
  }

  /**
   * Whether the newest canary that was promoted here, a short time ago, replaced this version: going back to it needs
   * no steps. After a way back, the version that one fled from needs them again.
   */
  private async hasServedRecently(session: Session, input: NewCanary): Promise<boolean> {
    const windowMs = (input.rollbackWindowSeconds ?? DEFAULTS.rollbackWindowSeconds) * 1_000;
    const { endpointId, modelVersionId } = input;
    const where = { tenant: session.tenant, endpointId, status: 'PROMOTED' as const };
    const newest = await session.em.findOne(Canary, where, { orderBy: { endedAt: 'DESC', id: 'DESC' } });
    if (!newest || newest.skipsSteps || newest.stableVersionId !== modelVersionId) return false;
    return newest.endedAt!.getTime() > Date.now() - windowMs;
  }
}

function requireOneOfEach(guards: readonly CanaryGuard[]): void {
  const index = guards.findIndex(({ kind }, i) => guards.findIndex((guard) => guard.kind === kind) < i);
  if (index >= 0) throw badInput(`input.guards[${index}].kind`, 'each kind of guard once', guards[index]!.kind);
}

/** A canary that is just as good as its control would never pass a smaller increase. */
function requirePassable(guards: readonly CanaryGuard[]): void {
  guards.forEach(({ kind, maxIncrease }, i) => {
    const least = leastIncrease(kind);
    if (maxIncrease >= least) return;
    const why =
      kind === 'LATENCY_P95'
        ? 'as latencies are counted in buckets of that width'
        : 'as no number of requests proves that two shares are equal';
    throw badInput(`input.guards[${i}].maxIncrease`, `at least ${least} for ${kind}, ${why}`, maxIncrease);
  });
}
