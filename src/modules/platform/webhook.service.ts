import type { FilterQuery } from '@mikro-orm/core';
import { LockMode } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Webhook } from '../../db/entities/platform/webhook.entity.js';
import { WebhookDelivery } from '../../db/entities/platform/webhook-delivery.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import {
  checkName,
  checkOutboundUrl,
  type OutboundPolicy,
  MAX_WEBHOOKS,
  newWebhookSecret,
  SECRET_OVERLAP_MS,
  ANY_ITEMS,
  characters,
  checkRange,
  type InputRange,
} from '../core/index.js';
import { conflict, notFound } from '../../errors.js';
import { requireOwn } from './ownership.js';
import { audit, takeTenantLock } from './use-case.js';
import { DELIVERIES_WAITING } from './webhook-deliveries.js';

export interface NewWebhook {
  name: string;
  url: string;
  description?: string | null;
  eventTypes: string[];
  modelId?: string | null;
}

/** A webhook created by an MLflow client: with its own secret, or without one. */
export interface NewMlflowWebhook {
  name: string;
  url: string;
  /** MLflow's names of the events, and the event types that they stand for. */
  mlflowEvents: string[];
  eventTypes: string[];
  description: string;
  secret: string;
  enabled: boolean;
}

export interface WebhookChange {
  id: string;
  description?: string | null;
  /** For a webhook in MLflow's format: its event names and the event types that they stand for. */
  mlflow?: { mlflowEvents: string[]; eventTypes: string[] } | null;
  /** For a webhook in MLflow's format. */
  secret?: string | null;
  name?: string | null;
  url?: string | null;
  eventTypes?: string[] | null;
  enabled?: boolean | null;
}

export interface WebhookFilter {
  enabled?: boolean | null;
  modelId?: string | null;
  format?: Webhook['format'] | null;
}

/** A webhook and its secret. The secret is returned only here. */
export interface WebhookWithSecret {
  webhook: Webhook;
  secret: string;
}

export const WEBHOOK_DESCRIPTION = characters(0, 5_000);
/** Types of events that a webhook is sent. */
export const EVENT_TYPES: InputRange = { ...ANY_ITEMS, min: 1, unit: 'types' };

/** Addresses of external services that receive this service's events. */
export class WebhookService {
  constructor(
    private readonly live: LiveEvents,
    private readonly policy: OutboundPolicy,
  ) {}

  async create(session: Session, input: NewWebhook): Promise<WebhookWithSecret> {
    const eventTypes = checkEventTypes(input.eventTypes);
    await requireOwn(session, Model, 'model', [input.modelId]);
    const secret = newWebhookSecret();
    const { name, url, modelId } = input;
    const webhook = await this.add(session, {
      name,
      url,
      description: input.description ?? '',
      eventTypes,
      modelId,
      secret,
    });
    return { webhook, secret };
  }

  createForMlflow(session: Session, input: NewMlflowWebhook): Promise<Webhook> {
    return this.add(session, { ...input, format: 'MLFLOW' });
  }

  /** Messages that wait are sent to the new address. */
  async update(session: Session, input: WebhookChange): Promise<Webhook> {
    const webhook = await this.lock(session, input.id);
    const before = view(webhook);
    if (input.name != null && input.name !== webhook.name) {
      webhook.name = checkName('input.name', input.name);
      await this.requireFreeName(session, webhook.name);
    }
    if (input.url != null) webhook.url = checkOutboundUrl('input.url', input.url, this.policy).href;
    if (input.description != null) webhook.description = checkDescription(input.description);
    if (input.eventTypes != null) {
      if (webhook.format === 'MLFLOW') {
        throw conflict(`Webhook "${webhook.name}" was made through MLflow: change its events there.`, {
          field: 'input.eventTypes',
        });
      }
      webhook.eventTypes = checkEventTypes(input.eventTypes);
    }
    if (input.mlflow != null) Object.assign(webhook, input.mlflow);
    if (input.secret != null) webhook.secret = input.secret;
    if (input.enabled != null) webhook.enabled = input.enabled;
    audit(session, 'updateWebhook', { type: 'webhook', id: webhook.id }, before, view(webhook));
    return webhook;
  }

  async rotateSecret(session: Session, id: string): Promise<WebhookWithSecret> {
    const webhook = await this.lock(session, id);
    const secret = newWebhookSecret();
    const previousSecretUntil = new Date(Date.now() + SECRET_OVERLAP_MS);
    Object.assign(webhook, { secret, previousSecret: webhook.secret, previousSecretUntil });
    audit(session, 'rotateWebhookSecret', { type: 'webhook', id }, null, { previousSecretUntil });
    return { webhook, secret };
  }

  /** Deletes the webhook and its log of deliveries. */
  async delete(session: Session, id: string): Promise<void> {
    const webhook = await this.lock(session, id);
    audit(session, 'deleteWebhook', { type: 'webhook', id }, view(webhook), null);
    await session.em.nativeDelete(Webhook, { tenant: session.tenant, id });
  }

  /** A test message without an event. It is sent once, even when the webhook is disabled. */
  async test(session: Session, id: string): Promise<WebhookDelivery> {
    const webhook = await this.get(session, id);
    const delivery = session.em.create(WebhookDelivery, { tenant: session.tenant, webhookId: webhook.id });
    audit(session, 'testWebhook', { type: 'webhook', id }, null, { deliveryId: delivery.id });
    session.afterCommit(() => this.live.publish(DELIVERIES_WAITING));
    return delivery;
  }

  /** Sends the message of an ended delivery again, as another delivery. */
  async redeliver(session: Session, deliveryId: string): Promise<WebhookDelivery> {
    const delivery = await this.getDelivery(session, deliveryId);
    const { webhookId, eventId } = delivery;
    // Two callers at the same time get one each.
    const webhook = await this.lock(session, webhookId);
    if (delivery.status === 'PENDING') {
      throw conflict(`Delivery ${deliveryId} has not ended yet.`, {
        expected: 'a delivery that has ended',
        got: delivery.status,
      });
    }
    if (!webhook.enabled && eventId !== null) {
      throw conflict(`Webhook "${webhook.name}" is disabled: enable it first.`, {
        expected: 'an enabled webhook',
        got: 'a disabled one',
      });
    }
    const last = await session.em.findOneOrFail(
      WebhookDelivery,
      { tenant: session.tenant, webhookId, eventId },
      { orderBy: { redelivery: 'DESC' } },
    );
    const again = session.em.create(WebhookDelivery, {
      tenant: session.tenant,
      webhookId,
      eventId,
      redelivery: last.redelivery + 1,
    });
    audit(
      session,
      'redeliverWebhookDelivery',
      { type: 'webhook', id: webhookId },
      { deliveryId },
      { deliveryId: again.id },
    );
    session.afterCommit(() => this.live.publish(DELIVERIES_WAITING));
    return again;
  }

  async get(session: Session, id: string): Promise<Webhook> {
    const webhook = await session.em.findOne(Webhook, { id, tenant: session.tenant });
    if (!webhook) throw notFound('webhook', id);
    return webhook;
  }

  async getDelivery(session: Session, id: string): Promise<WebhookDelivery> {
    const delivery = await session.em.findOne(WebhookDelivery, { id, tenant: session.tenant });
    if (!delivery) throw notFound('webhook delivery', id);
    return delivery;
  }

  async list(
    session: Session,
    filter: WebhookFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'name'>,
  ): Promise<Page<Webhook>> {
    await requireOwn(session, Model, 'model', [filter.modelId]);
    const where: FilterQuery<Webhook> = { tenant: session.tenant };
    for (const field of ['enabled', 'modelId', 'format'] as const)
      if (filter[field] != null) Object.assign(where, { [field]: filter[field] });
    return paginate(session, Webhook, where, page, order);
  }

  /** The deliveries of one webhook, newest first. */
  async listDeliveries(
    session: Session,
    webhookId: string,
    status: WebhookDelivery['status'] | null | undefined,
    page: PageRequest,
  ): Promise<Page<WebhookDelivery>> {
    const where = { tenant: session.tenant, webhookId, ...(status != null && { status }) };
    return paginate(session, WebhookDelivery, where, page, { field: 'createdAt', direction: 'DESC' });
  }

  private async add(
    session: Session,
    input: Pick<Webhook, 'name' | 'url' | 'description' | 'eventTypes' | 'secret'> &
      Partial<Pick<Webhook, 'modelId' | 'format' | 'mlflowEvents' | 'enabled'>>,
  ): Promise<Webhook> {
    const name = checkName('input.name', input.name);
    const { href: url } = checkOutboundUrl('input.url', input.url, this.policy);
    const description = checkDescription(input.description);
    await this.requireFreeName(session, name);
    if ((await session.em.count(Webhook, { tenant: session.tenant })) >= MAX_WEBHOOKS) {
      throw conflict(`There are ${MAX_WEBHOOKS} webhooks already, which is the maximum: delete one first.`, {
        expected: `fewer than ${MAX_WEBHOOKS}`,
      });
    }
    const createdBy = session.principal.subject;
    const webhook = session.em.create(Webhook, { ...input, tenant: session.tenant, name, url, description, createdBy });
    audit(session, 'createWebhook', { type: 'webhook', id: webhook.id }, null, view(webhook));
    return webhook;
  }

  private async lock(session: Session, id: string): Promise<Webhook> {
    const options = { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true } as const;
    const webhook = await session.em.findOne(Webhook, { id, tenant: session.tenant }, options);
    if (!webhook) throw notFound('webhook', id);
    return webhook;
  }

  private async requireFreeName(session: Session, name: string): Promise<void> {
    await takeTenantLock(session, 'webhooks');
    if (await session.em.count(Webhook, { tenant: session.tenant, name })) {
      throw conflict(`A webhook named "${name}" already exists.`, {
        field: 'input.name',
        expected: 'a free name',
        got: name,
      });
    }
  }
}

function checkEventTypes(types: string[]): string[] {
  checkRange(EVENT_TYPES, types, null, 'input.eventTypes');
  return [...new Set(types)];
}

/** What the audit log may show: everything except the secrets. */
function view({
  name,
  url,
  description,
  eventTypes,
  mlflowEvents,
  modelId,
  enabled,
}: Webhook): Record<string, unknown> {
  return { name, url, description, eventTypes, mlflowEvents, modelId, enabled };
}

function checkDescription(text: string): string {
  checkRange(WEBHOOK_DESCRIPTION, text, null, 'input.description');
  return text;
}
