import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { WebhookSender } from '../../adapters/webhook-sender/port.js';
import type { Canary } from '../../db/entities/rollouts/canary.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { AppError } from '../../errors.js';
import { describeStatus, Role, signedHeaders, verdictOfStatus } from '../core/index.js';
import { answeredWrongly } from '../monitoring/index.js';
import { audit, type WebhookService } from '../platform/index.js';
import { readCounts, type DeploymentService } from '../serving/index.js';
import type { CanaryMoves } from './canary-moves.js';
import type { CanaryService } from './canary.service.js';
import { nextAction } from './rules/canary-plan.js';
import { type GuardJudgement, judgeGuards, overallVerdict } from './rules/guards.js';
import { type DueCanary, lockCanary, takeDueCanaries, takeTurnToAsk } from './stores/canaries.js';

/** From one look at a canary to the next: a proven failure is rolled back within this time and that of the counters. */
export const LOOK_EVERY_MS = 1_000;
const LOOKS_AT_ONCE = 100;
/** A webhook that did not approve is asked again after this time. */
const ASK_EVERY_MS = 10_000;
const PATIENCE_MS = 60_000;

export interface CanaryTickParts {
  db: Database;
  deployments: DeploymentService;
  canaries: CanaryService;
  moves: CanaryMoves;
  webhooks: WebhookService;
  sender: WebhookSender;
  logger: Logger;
}

/** Moves canaries on. Any number of processes may do this; each look is made by one of them. */
export class CanaryTick {
  /** Questions to webhooks that are not answered yet: no canary waits for that of another one. */
  private readonly asking = new Set<Promise<void>>();

  constructor(private readonly parts: CanaryTickParts) {}

  async tick(): Promise<void> {
    const due = await this.parts.db.asSystem((em) => takeDueCanaries(em, LOOKS_AT_ONCE, LOOK_EVERY_MS));
    await Promise.all(
      due.map((one) =>
        this.look(one).catch((error: unknown) =>
          this.parts.logger.error({ err: error, canaryId: one.id }, 'canary not looked at'),
        ),
      ),
    );
  }

  /** Waits for the answers of webhooks that were asked. */
  async idle(): Promise<void> {
    await Promise.all(this.asking);
  }

  private async look(due: DueCanary): Promise<void> {
    const actor = actorFor(due);
    const judgement = await this.judge(actor, due);
    const seen = await this.parts.db.transact(actor, async (session) => {
      const canary = await this.locked(session, due);
      if (!canary || canary.endedAt) return null;
      if (canary.status === 'LOADING') await this.lookAtLoading(session, canary);
      else if (judgement === null) await this.noteSourceError(session, canary);
      else await this.lookAtGuards(session, canary, judgement);
      return canary;
    });
    if (seen?.status !== 'WAITING_FOR_APPROVAL' || !seen.approvalWebhookId) return;
    const question = this.askWebhook(actor, seen)
      .catch((error: unknown) => this.parts.logger.error({ err: error, canaryId: seen.id }, 'webhook not asked'))
      .finally(() => this.asking.delete(question));
    this.asking.add(question);
  }

  private async lookAtLoading(session: Session, canary: Canary): Promise<void> {
    const { canaryDeploymentId, controlDeploymentId } = canary;
    const deployments = await Promise.all(
      [canaryDeploymentId, controlDeploymentId].map((id) => this.parts.deployments.get(session, id)),
    );
    const lost = deployments.find(({ status }) => status === 'FAILED' || status === 'STOPPED');
    if (lost) {
      const why = lost.error ?? 'its deployment was stopped.';
      await this.parts.moves.end(session, canary, 'LOAD_FAILED', `The version could not be loaded: ${why}`);
    } else if (deployments.every(({ status }) => status === 'READY')) {
      if (canary.skipsSteps) {
        const reason = 'This version has served here a short time ago, so it got all traffic without steps.';
        await this.parts.moves.end(session, canary, 'PROMOTED', reason);
      } else {
        await this.parts.moves.begin(session, canary, 0, `Step 1 of ${canary.steps.length} has begun.`);
      }
    }
  }

  /** Null when the counters cannot be read: this says nothing about the canary. */
  private async judge(actor: Actor, { id }: DueCanary): Promise<GuardJudgement[] | null> {
    try {
      return await this.parts.db.transact(actor, async (session) => {
        const canary = await this.parts.canaries.get(session, id);
        const ids = [canary.canaryDeploymentId, canary.controlDeploymentId];
        const counts = await readCounts(session, ids);
        const isLabelled = canary.guards.some(({ kind }) => kind === 'WRONG_ANSWERS');
        const labels = isLabelled ? await answeredWrongly(session, ids) : [];
        const [ofCanary, ofControl] = ids.map((deploymentId, i) => ({
          ...counts[i]!,
          ...{ labelled: 0, wrong: 0 },
          ...labels.find((one) => one.deploymentId === deploymentId),
        }));
        return judgeGuards(canary, ofCanary!, ofControl!);
      });
    } catch (error) {
      this.parts.logger.warn({ err: error, canaryId: id }, 'counters of a canary not read');
      return null;
    }
  }

  private async noteSourceError(session: Session, canary: Canary): Promise<void> {
    canary.sourceErrors++;
    if (canary.status === 'RUNNING' && canary.sourceErrors >= canary.sourceErrorLimit) {
      const reason = `The counters could not be read ${canary.sourceErrors} times in a row, so nothing can be decided.`;
      await this.parts.moves.pause(session, canary, reason);
    }
  }

  private async lookAtGuards(session: Session, canary: Canary, judgement: GuardJudgement[]): Promise<void> {
    const verdict = overallVerdict(judgement);
    const failures = verdict === 'FAIL' ? canary.failures + 1 : 0;
    if (JSON.stringify(canary.judgement) !== JSON.stringify(judgement)) this.parts.moves.changed(session, canary);
    Object.assign(canary, { judgement, failures, sourceErrors: 0 });
    const { status, step, steps, failureLimit } = canary;
    const stepStartedAt = canary.stepStartedAt?.getTime() ?? Date.now();
    const stand = { status, step, steps, stepStartedAt, verdict, failures, failureLimit };
    switch (nextAction(stand, Date.now())) {
      case 'STAY':
        break;
      case 'ROLL_BACK':
        await this.parts.moves.end(session, canary, 'ROLLED_BACK', reasonOf(judgement, 'FAIL'));
        audit(session, 'rollBackCanary', { type: 'canary', id: canary.id }, null, { step, judgement });
        break;
      case 'PAUSE':
        await this.parts.moves.pause(
          session,
          canary,
          `The time of the step is over. ${reasonOf(judgement, 'INCONCLUSIVE')}`,
        );
        break;
      case 'ASK':
        await this.parts.moves.askForApproval(session, canary);
        break;
      case 'ADVANCE':
      case 'PROMOTE':
        await this.parts.canaries.goOn(session, canary, 'passed');
        break;
    }
  }

  /** Outside of any transaction, as the receiver may be slow. 2xx approves; any other answer is asked for again. */
  private async askWebhook(actor: Actor, canary: Canary): Promise<void> {
    const { id, step } = canary;
    if (canary.steps[step]?.approval !== 'WEBHOOK') return;
    const isMine = await this.parts.db.transact(actor, (session) => takeTurnToAsk(session, id, ASK_EVERY_MS));
    if (!isMine) return;
    const answer = await this.ask(actor, canary);
    await this.parts.db.transact(actor, async (session) => {
      const present = await this.locked(session, { id, endpointId: canary.endpointId });
      if (present?.status !== 'WAITING_FOR_APPROVAL' || present.step !== step) return;
      if (answer === null) await this.parts.canaries.goOn(session, present, 'approved by its webhook');
      else present.reason = `Step ${step + 1} waits for its webhook: ${answer}`;
      if (answer === null) audit(session, 'approveCanary', { type: 'canary', id }, null, { step, by: 'webhook' });
      this.parts.moves.changed(session, present);
    });
  }

  /** Null when the webhook agrees; otherwise why not. */
  private async ask(actor: Actor, canary: Canary): Promise<string | null> {
    const { id, endpointId, modelVersionId, step, steps, judgement, approvalWebhookId } = canary;
    const canaryPart = { id, endpointId, modelVersionId, step, steps, judgement };
    const body = JSON.stringify({ type: 'CANARY_APPROVAL', canary: canaryPart });
    try {
      const webhook = await this.parts.db.transact(actor, (session) =>
        this.parts.webhooks.get(session, approvalWebhookId!),
      );
      const headers = signedHeaders(randomUUID(), new Date(), body, [webhook.secret]);
      const { status } = await this.parts.sender.send(
        webhook.url,
        { 'content-type': 'application/json', ...headers },
        body,
      );
      return verdictOfStatus(status) === 'DELIVERED' ? null : describeStatus(status);
    } catch (error) {
      if (error instanceof AppError) return error.message;
      throw error;
    }
  }

  private async locked(session: Session, { id, endpointId }: Pick<DueCanary, 'id' | 'endpointId'>) {
    // The endpoint first, as in every change of its traffic; both may be deleted by now.
    if (!(await this.parts.deployments.tryLockEndpoint(session, endpointId))) return null;
    return lockCanary(session, id);
  }
}

function reasonOf(judgement: readonly GuardJudgement[], verdict: GuardJudgement['verdict']): string {
  return judgement
    .filter((guard) => guard.verdict === verdict)
    .map(({ reason }) => reason)
    .join(' ');
}

function actorFor({ tenant, createdBy }: DueCanary): Actor {
  return {
    principal: { subject: createdBy, tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + PATIENCE_MS) },
    requestId: randomUUID(),
    isBackground: true,
  };
}
