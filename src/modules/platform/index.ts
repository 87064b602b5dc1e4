export { AccessTokenService, MAX_LIFE_SECONDS, MIN_LIFE_SECONDS } from './access-token.service.js';
export { AuditLogService } from './audit-log.service.js';
export { Batches, type RunInSession } from './batches.js';
export { LeasedConsumer } from './leased-consumer.js';
export { Ticker } from './ticker.js';
export { EventService, eventTopic, type EventFilter, type EventRow } from './event.service.js';
export {
  archiveServer,
  bind,
  findByExternal,
  forgetExternal,
  refuseUnfinished,
  setSynced,
  type KnownThing,
  type SyncedArchive,
  type ThingKind,
} from './external-refs.js';
export { readFigures } from './figures.js';
export { firstPages } from './first-pages.js';
export { InTurn } from './in-turn.js';
export { KnownTokens } from './known-tokens.js';
export { LiveFeeds, abortable, withoutGap, type Sequenced } from './live-feed.js';
export { createPlatformLoaders } from './loaders.js';
export { requireOwn } from './ownership.js';
export { RetentionService } from './retention.service.js';
export { EventType } from './rules/events.js';
export { logsTopic, metricsTopic, publishRun } from './run-topics.js';
export { containsText, likePattern, within } from './search.js';
export { SigningKeys } from './signing-keys.js';
export { EVENTS_WAITING, audit, auditRow, emitEvent, takeTurns, type Subject } from './use-case.js';
export { Waiting, MAX_WAIT_MS, lookUntil, type Waiter } from './waiting.js';
export { WebhookDeliveryService } from './webhook-delivery.service.js';
export { WebhookService } from './webhook.service.js';
export { webhookSubscriber, type ClaimedDelivery } from './webhook-deliveries.js';
export type { WebhookFormat, WebhookMessage } from './webhook-message.js';
