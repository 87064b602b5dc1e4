export {
  TOKEN_ENDPOINTS,
  TOKEN_NAME,
  AccessTokenService,
  endTokensOfRun,
  MAX_LIFE_SECONDS,
  MIN_LIFE_SECONDS,
} from './access-token.service.js';
export { AuditLogService } from './audit-log.service.js';
export { Batches, type RunInSession } from './batches.js';
export { LeasedConsumer } from './leased-consumer.js';
export { Ticker } from './ticker.js';
export { EventService, eventTopic, type EventFilter, type EventRow, type OutboxSubscriber } from './event.service.js';
export { firstPages } from './first-pages.js';
export { RoundRobinQueue } from './round-robin-queue.js';
export { KnownTokens } from './known-tokens.js';
export { LiveFeeds, abortable, withoutGap, type Sequenced } from './live-feed.js';
export { createPlatformLoaders } from './loaders.js';
export { type ObjectChange, waitingChanges } from './object-changes.js';
export { requireOwn } from './ownership.js';
export { RetentionService, retentionOf, type Retention } from './retention.service.js';
export { defineEvents, type EventType } from './rules/events.js';
export { logsTopic, metricsTopic, publishRun } from './run-topics.js';
export { containsText, likePattern, within } from './search.js';
export { SigningKeys } from './signing-keys.js';
export { EVENTS_WAITING, audit, auditRow, emitEvent, eventRow, takeTenantLock, type Subject } from './use-case.js';
export { Waiting, MAX_WAIT_MS, lookUntil, type Waiter } from './waiting.js';
export { WebhookDeliveryService } from './webhook-delivery.service.js';
export { EVENT_TYPES, WEBHOOK_DESCRIPTION, WebhookService } from './webhook.service.js';
export { webhookSubscriber } from './webhook-deliveries.js';
export type { ClaimedDelivery } from './stores/webhook-deliveries.js';
export type { WebhookFormat, WebhookMessage } from './webhook-message.js';
