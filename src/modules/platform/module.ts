import { SigningKey } from '../../db/entities/platform/signing-key.entity.js';
import { ObjectChange } from '../../db/entities/platform/object-change.entity.js';
import { LogFloor } from '../../db/entities/platform/log-floor.entity.js';
import { Webhook } from '../../db/entities/platform/webhook.entity.js';
import { WebhookDelivery } from '../../db/entities/platform/webhook-delivery.entity.js';
import { Event } from '../../db/entities/platform/event.entity.js';
import { AccessToken } from '../../db/entities/platform/access-token.entity.js';
import { AuditLog } from '../../db/entities/platform/audit-log.entity.js';
import { defineModule } from '../../define-module.js';
import { mlflowWebhooks } from '../../protocols/mlflow/platform/webhook-format.js';
import { webhookEndpoints } from '../../protocols/mlflow/platform/webhooks.js';
import { AccessTokenResolver } from '../../resolvers/platform/access-token.resolver.js';
import { AuditLogResolver } from '../../resolvers/platform/audit-log.resolver.js';
import { EventResolver } from '../../resolvers/platform/event.resolver.js';
import { WebhookDeliveryResolver, WebhookResolver } from '../../resolvers/platform/webhook.resolver.js';
import {
  AccessTokenService,
  AuditLogService,
  EventService,
  KnownTokens,
  LiveFeeds,
  RetentionService,
  SigningKeys,
  Waiting,
  WebhookDeliveryService,
  WebhookService,
  createPlatformLoaders,
  webhookSubscriber,
} from './index.js';

interface PlatformServices {
  accessTokens: AccessTokenService;
  auditLog: AuditLogService;
  events: EventService;
  feeds: LiveFeeds;
  knownTokens: KnownTokens;
  retention: RetentionService;
  waiting: Waiting;
  webhookDeliveries: WebhookDeliveryService;
  webhooks: WebhookService;
  signingKeys: SigningKeys;
}

type PlatformLoaders = ReturnType<typeof createPlatformLoaders>;

declare module '../../services.js' {
  interface Services extends PlatformServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends PlatformLoaders {}
}

const MINUTE_MS = 60_000;
const WEBHOOK_FORMATS = { MLFLOW: mlflowWebhooks };

export default defineModule({
  name: 'platform',
  entities: [Webhook, WebhookDelivery, Event, AccessToken, AuditLog, LogFloor, ObjectChange, SigningKey],
  createServices: ({
    db,
    live,
    logger,
    config,
    tokens,
    tokenCodec,
    webhookPolicy,
    webhookSender,
  }): PlatformServices => {
    const keys = new SigningKeys(db, tokenCodec);
    const events = new EventService(db, live, logger);
    events.subscribe(webhookSubscriber(WEBHOOK_FORMATS));
    return {
      accessTokens: new AccessTokenService(db, live, keys, tokenCodec),
      auditLog: new AuditLogService(),
      events,
      feeds: new LiveFeeds(live),
      knownTokens: new KnownTokens({ db, live, logger, codec: tokenCodec, keys, others: tokens }),
      signingKeys: keys,
      retention: new RetentionService(db, { eventDays: config.EVENT_LOG_DAYS, auditDays: config.AUDIT_LOG_DAYS }),
      waiting: new Waiting(live),
      webhookDeliveries: new WebhookDeliveryService(db, live, webhookSender, logger, {
        formats: WEBHOOK_FORMATS,
        concurrency: config.WEBHOOK_CONCURRENCY,
        backoffMs: config.WEBHOOK_BACKOFF_MS,
        keepDays: config.WEBHOOK_LOG_DAYS,
      }),
      webhooks: new WebhookService(live, webhookPolicy),
    };
  },
  createLoaders: createPlatformLoaders,
  resolvers: [AccessTokenResolver, AuditLogResolver, EventResolver, WebhookDeliveryResolver, WebhookResolver],
  createTicks: ({ services }) => [
    { name: 'prune-webhook-deliveries', intervalMs: MINUTE_MS, run: () => services.webhookDeliveries.prune() },
    { name: 'prune-logs', intervalMs: MINUTE_MS, run: () => services.retention.prune() },
  ],
  createBackgroundWork: ({ services: { events, knownTokens, webhookDeliveries } }) => [
    { in: 'all', close: () => knownTokens.close() },
    { in: 'all', start: () => events.start(), close: () => events.stop() },
    { in: 'worker', start: () => webhookDeliveries.start(), stop: () => webhookDeliveries.stop() },
  ],
  mlflowEndpoints: webhookEndpoints,
});
