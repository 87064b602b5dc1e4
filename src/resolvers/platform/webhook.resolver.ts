import { Arg, Ctx, Extensions, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import { DeletedPayload, ModelType } from '../registry/model.types.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';
import { LifecycleEventType } from './event.types.js';
import {
  CreateWebhookInput,
  DeleteWebhookInput,
  RedeliverWebhookDeliveryInput,
  RotateWebhookSecretInput,
  TestWebhookInput,
  UpdateWebhookInput,
  WebhookConnection,
  WebhookDeliveryConnection,
  WebhookDeliveryPayload,
  WebhookDeliveryStatusEnum,
  WebhookDeliveryType,
  WebhookFilterInput,
  WebhookOrderInput,
  WebhookPayload,
  WebhookSecretPayload,
  WebhookType,
} from './webhook.types.js';
import { ArgsWithRanges } from '../types/range.js';

/** Only for ADMIN, because an address often contains a key of its receiver. */
const ADMIN = { minRole: Role.ADMIN };

@Resolver(() => WebhookType)
export class WebhookResolver {
  @Extensions(ADMIN)
  @Query(() => WebhookType, {
    description: 'One webhook. NOT_FOUND when it does not exist, FORBIDDEN below the role ADMIN.',
  })
  webhook(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the webhook. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<WebhookType> {
    return ctx.run((session) => ctx.services.webhooks.get(session, id));
  }

  @Extensions(ADMIN)
  @Query(() => WebhookConnection, {
    description: 'Webhooks of the tenant, newest first by default. FORBIDDEN below the role ADMIN.',
  })
  async webhooks(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => WebhookFilterInput, { nullable: true, description: 'Filter for webhooks; all when absent.' })
    filter?: WebhookFilterInput,
    @Arg('orderBy', () => WebhookOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: WebhookOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.webhooks.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Extensions(ADMIN)
  @Query(() => WebhookDeliveryType, {
    description: 'One delivery of a webhook message. NOT_FOUND when it does not exist, FORBIDDEN below the role ADMIN.',
  })
  webhookDelivery(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the delivery. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<WebhookDeliveryType> {
    return ctx.run((session) => ctx.services.webhooks.getDelivery(session, id));
  }

  @Extensions(ADMIN)
  @Mutation(() => WebhookSecretPayload, {
    description:
      'Creates a webhook that sends new lifecycle events to an address, and returns the signing ' +
      'secret, which is shown only once. Needs ADMIN. URL_NOT_ALLOWED for a forbidden address, ' +
      'CONFLICT when the name is taken or there are already 100 webhooks.',
  })
  async createWebhook(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateWebhookInput, { description: 'Address of the webhook and its events.' })
    input: CreateWebhookInput,
  ): Promise<WebhookSecretPayload> {
    return ctx.run((session) => ctx.services.webhooks.create(session, input));
  }

  @Extensions(ADMIN)
  @Mutation(() => WebhookPayload, {
    description: 'Changes the name, address or events of a webhook, or disables or enables it. Needs ADMIN.',
  })
  async updateWebhook(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateWebhookInput, { description: 'Object and its changes.' }) input: UpdateWebhookInput,
  ): Promise<WebhookPayload> {
    return { webhook: await ctx.run((session) => ctx.services.webhooks.update(session, input)) };
  }

  @Extensions(ADMIN)
  @Mutation(() => WebhookSecretPayload, {
    description:
      'Gives a webhook a new secret, which is shown only once. For 24 hours every message has two ' +
      'signatures, with the new and the previous secret, so that receivers can change it. Needs ' +
      'ADMIN.',
  })
  async rotateWebhookSecret(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RotateWebhookSecretInput, { description: 'Webhook with the secret.' })
    input: RotateWebhookSecretInput,
  ): Promise<WebhookSecretPayload> {
    return ctx.run((session) => ctx.services.webhooks.rotateSecret(session, input.id));
  }

  @Extensions(ADMIN)
  @Mutation(() => DeletedPayload, {
    description: 'Deletes a webhook with its delivery log; waiting messages are not sent. Needs ADMIN.',
  })
  async deleteWebhook(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteWebhookInput, { description: 'Id of the webhook to remove.' }) input: DeleteWebhookInput,
  ): Promise<DeletedPayload> {
    await ctx.run((session) => ctx.services.webhooks.delete(session, input.id));
    return { deletedId: input.id };
  }

  @Extensions(ADMIN)
  @Mutation(() => WebhookDeliveryPayload, {
    description:
      'Sends a ping: a signed message of type PING, once and without retries, even while the ' +
      'webhook is disabled. Needs ADMIN.',
  })
  async testWebhook(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => TestWebhookInput, { description: 'Webhook to test with a ping message.' })
    input: TestWebhookInput,
  ): Promise<WebhookDeliveryPayload> {
    return { delivery: await ctx.run((session) => ctx.services.webhooks.test(session, input.id)) };
  }

  @Extensions(ADMIN)
  @Mutation(() => WebhookDeliveryPayload, {
    description:
      'Sends the message of an ended delivery again, as a new delivery with a new id and eight ' +
      'attempts. Needs ADMIN. CONFLICT while the delivery is pending or the webhook is disabled.',
  })
  async redeliverWebhookDelivery(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RedeliverWebhookDeliveryInput, { description: 'Delivery to send again.' })
    input: RedeliverWebhookDeliveryInput,
  ): Promise<WebhookDeliveryPayload> {
    return { delivery: await ctx.run((session) => ctx.services.webhooks.redeliver(session, input.deliveryId)) };
  }

  @FieldResolver(() => ModelType, {
    nullable: true,
    description: 'Model whose events are sent; null for all models.',
  })
  model(@Root() webhook: WebhookType, @Ctx() ctx: RequestContext): Promise<ModelType | null> | null {
    return webhook.modelId == null ? null : ctx.loaders.model.load(webhook.modelId);
  }

  @FieldResolver(() => WebhookDeliveryConnection, {
    description: 'Delivery log: messages of the webhook, newest first.',
  })
  async deliveries(
    @Root() webhook: WebhookType,
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('status', () => WebhookDeliveryStatusEnum, {
      nullable: true,
      description: 'Only deliveries with this status; all when absent.',
    })
    status?: keyof typeof WebhookDeliveryStatusEnum,
  ): Promise<object> {
    const key = { ownerId: webhook.id, first: page.first ?? null, ...(status != null && { equal: { status } }) };
    const result =
      page.after == null
        ? await ctx.loaders.webhookDeliveries.load(key)
        : await ctx.run((session) => ctx.services.webhooks.listDeliveries(session, webhook.id, status, page));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }
}

@Resolver(() => WebhookDeliveryType)
export class WebhookDeliveryResolver {
  @FieldResolver(() => WebhookType, { description: 'Webhook to which the message is sent.' })
  webhook(@Root() delivery: WebhookDeliveryType, @Ctx() ctx: RequestContext): Promise<WebhookType | null> {
    return ctx.loaders.webhook.load(delivery.webhookId);
  }

  @FieldResolver(() => LifecycleEventType, {
    nullable: true,
    description: 'Event that the message reports; null for a ping.',
  })
  event(@Root() delivery: WebhookDeliveryType, @Ctx() ctx: RequestContext): Promise<object | null> | null {
    return delivery.eventId == null ? null : ctx.loaders.event.load(delivery.eventId);
  }

  @FieldResolver(() => DateTime, {
    nullable: true,
    description:
      'Time of the next attempt, UTC; during an attempt, the time at which it counts as lost. Null ' +
      'when the delivery has ended.',
  })
  nextAttemptAt(@Root() delivery: WebhookDeliveryType): Date | null {
    return delivery.status === 'PENDING' ? delivery.nextAttemptAt : null;
  }
}
