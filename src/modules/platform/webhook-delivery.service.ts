import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { WebhookSender } from '../../adapters/webhook-sender/port.js';
import { Webhook } from '../../db/entities/platform/webhook.entity.js';
import type { Database } from '../../db/database.js';
import {
  Role,
  describeStatus,
  verdictOfStatus,
  retryDelayMs,
  WEBHOOK_ATTEMPTS,
  WEBHOOK_TIMEOUT_MS,
} from '../core/index.js';
import { AppError } from '../../errors.js';
import { LeasedConsumer } from './leased-consumer.js';
import { audit } from './use-case.js';
import { deleteOldDeliveries } from './stores/logs.js';
import { claimDue, writeOutcome, type ClaimedDelivery, type Outcome } from './stores/webhook-deliveries.js';
import { DELIVERIES_WAITING } from './webhook-deliveries.js';
import { messageOf, type WebhookFormats } from './webhook-message.js';

export interface WebhookDeliveryOptions {
  formats: WebhookFormats;
  /** Messages that this process sends at the same time. */
  concurrency: number;
  /** Wait before the second attempt; each further wait is four times as long. */
  backoffMs: number;
  /** How long ended deliveries are kept. */
  keepDays: number;
}

const POLL_MS = 1_000;
/** Messages at the same time per webhook, so that a receiver that does not answer does not block the others. */
const PER_WEBHOOK = 4;
/** After this time a delivery counts as lost with its process, and is sent again under the same id. */
const LEASE_MS = WEBHOOK_TIMEOUT_MS + 20_000;
const PRUNE_BATCH = 5_000;
const DAY_MS = 24 * 60 * 60 * 1000;
const OUTCOME_TRIES = 3;
const OUTCOME_RETRY_MS = 1_000;

/**
 * Sends waiting deliveries to receivers, each at least once. No database connection is held while a receiver is waited
 * for.
 */
export class WebhookDeliveryService {
  private readonly consumer: LeasedConsumer<ClaimedDelivery>;

  constructor(
    private readonly db: Database,
    live: LiveEvents,
    private readonly sender: WebhookSender,
    private readonly logger: Logger,
    private readonly options: WebhookDeliveryOptions,
  ) {
    this.consumer = new LeasedConsumer({
      name: 'webhook-deliveries',
      concurrency: options.concurrency,
      perGroup: PER_WEBHOOK,
      pollMs: POLL_MS,
      wakeOn: { live, topic: DELIVERIES_WAITING },
      logger,
      claim: (limit, busy) =>
        db.asSystem((em) => claimDue(em, { limit, perWebhook: PER_WEBHOOK, busy, leaseMs: LEASE_MS })),
      idOf: ({ id }) => id,
      groupOf: ({ webhookId }) => webhookId,
      handle: (delivery) => this.deliver(delivery),
    });
  }

  start(): void {
    this.consumer.start();
  }

  /** Takes no new deliveries, and waits for those that are being sent. */
  stop(): Promise<void> {
    return this.consumer.stop();
  }

  /** Deletes deliveries that ended long ago. */
  async prune(): Promise<void> {
    const before = new Date(Date.now() - this.options.keepDays * DAY_MS);
    await this.db.asSystem((em) => deleteOldDeliveries(em, before, PRUNE_BATCH));
  }

  private async deliver(delivery: ClaimedDelivery): Promise<void> {
    const { outcome, isGone } = await this.attempt(delivery);
    for (let tries = 1; ; tries++) {
      try {
        await this.record(delivery, outcome, isGone);
        return;
      } catch (error) {
        // Retried, so that a message is not sent again only because the database was away for a moment.
        if (tries === OUTCOME_TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, OUTCOME_RETRY_MS));
      }
    }
  }

  private async attempt(delivery: ClaimedDelivery): Promise<{ outcome: Outcome; isGone: boolean }> {
    const startedMs = performance.now();
    const ended = (outcome: Omit<Outcome, 'durationMs' | 'delayMs'>, isGone = false) => ({
      outcome: { ...outcome, delayMs: 0, durationMs: performance.now() - startedMs },
      isGone,
    });
    if (!delivery.enabled && delivery.eventId !== null) {
      return ended({ status: 'FAILED', responseStatus: null, responseBody: null, error: 'The webhook is disabled.' });
    }
    try {
      const { headers, body } = messageOf(delivery, new Date(), this.options.formats);
      const { status, body: answer } = await this.sender.send(delivery.url, headers, body);
      const seen = { responseStatus: status, responseBody: answer };
      switch (verdictOfStatus(status)) {
        case 'DELIVERED':
          return ended({ status: 'DELIVERED', ...seen, error: null });
        case 'GONE':
          return ended({ status: 'FAILED', ...seen, error: describeStatus(status) }, true);
        case 'FAILED':
          return {
            outcome: this.retryOrEnd(delivery, { ...seen, error: describeStatus(status) }, startedMs),
            isGone: false,
          };
      }
    } catch (error) {
      if (!(error instanceof AppError))
        this.logger.error({ err: error, deliveryId: delivery.id }, 'webhook delivery met an unexpected error');
      const reason =
        error instanceof AppError ? error.message : 'The worker met an unexpected error; its log has the details.';
      const outcome = this.retryOrEnd(delivery, { responseStatus: null, responseBody: null, error: reason }, startedMs);
      return { outcome, isGone: false };
    }
  }

  private retryOrEnd(
    { attempts, eventId }: ClaimedDelivery,
    seen: { responseStatus: number | null; responseBody: string | null; error: string },
    startedMs: number,
  ): Outcome {
    const durationMs = performance.now() - startedMs;
    const most = eventId === null ? 1 : WEBHOOK_ATTEMPTS;
    if (attempts < most) {
      return {
        ...seen,
        status: 'PENDING',
        delayMs: retryDelayMs(attempts, this.options.backoffMs, Math.random()),
        durationMs,
      };
    }
    const error = most === 1 ? seen.error : `${seen.error} Given up after ${most} attempts.`;
    return { ...seen, status: 'FAILED', delayMs: 0, error, durationMs };
  }

  private async record(delivery: ClaimedDelivery, outcome: Outcome, isGone: boolean): Promise<void> {
    const principal = {
      subject: 'webhook-delivery',
      tenant: delivery.tenant,
      role: Role.ADMIN,
      expiresAt: new Date(Date.now() + LEASE_MS),
    };
    await this.db.transact({ principal, requestId: delivery.id }, async (session) => {
      if (!(await writeOutcome(session.em, delivery, outcome)) || !isGone) return;
      const where = { id: delivery.webhookId, tenant: delivery.tenant, enabled: true };
      if ((await session.em.nativeUpdate(Webhook, where, { enabled: false, updatedAt: new Date() })) === 0) return;
      const reason = 'the receiver answered 410 (gone)';
      audit(
        session,
        'disableWebhook',
        { type: 'webhook', id: delivery.webhookId },
        { enabled: true },
        { enabled: false, reason },
      );
    });
  }
}
