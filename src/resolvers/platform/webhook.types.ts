import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { EventTypeEnum } from './event.types.js';
import { EVENT_TYPES, WEBHOOK_DESCRIPTION } from '../../modules/platform/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';
import { RangeOfModule } from '../types/range.js';
import { NAME, OUTBOUND_URL } from '../../modules/core/index.js';

export const WebhookDeliveryStatusEnum = describeEnum(
  'WebhookDeliveryStatus',
  'Whether a message waits, was delivered or was given up.',
  {
    PENDING: 'The delivery waits for its first or next attempt, or is being sent.',
    DELIVERED: 'The receiver answered with a status from 200 to 299.',
    FAILED: 'The delivery was given up; `error` says why. It can be sent again by hand.',
  },
);

export const WebhookFormatEnum = describeEnum('WebhookFormat', 'Format and signature of the messages.', {
  STANDARD: 'The event format of this service, signed according to the Standard Webhooks specification.',
  MLFLOW: 'The format and signature of MLflow’s own server, for webhooks that an MLflow client created.',
});

export const WebhookOrderField = describeOrderFields<'createdAt' | 'name'>(
  'WebhookOrderField',
  'Fields by which webhooks can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of creation.'],
    NAME: ['name', 'Name, in alphabetical order.'],
  },
);

@ObjectType('Webhook', {
  description:
    'A webhook: an external address that receives lifecycle events as signed POST requests, each ' +
    'at least once and in no guaranteed order. docs/webhooks.md says how to receive and verify ' +
    'them.',
})
export class WebhookType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name of the webhook, unique in the tenant.' })
  name!: string;

  @Field(() => String, { description: 'Purpose of the webhook, as given by its owners; may be empty.' })
  description!: string;

  @Field(() => String, { description: 'Address of the receiver, checked when it was saved.' })
  url!: string;

  @Field(() => WebhookFormatEnum, {
    description: 'Format of the messages; it depends on the API with which the webhook was created.',
  })
  format!: keyof typeof WebhookFormatEnum;

  @Field(() => [EventTypeEnum.values], { description: 'Types of the events that are sent, at least one.' })
  eventTypes!: string[];

  @Field(() => Boolean, {
    description: 'False: nothing is sent. A receiver that answers 410 (gone) disables the webhook.',
  })
  enabled!: boolean;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'Time until which the previous secret is also used for signing, UTC; null when the secret was ' +
      'never rotated.',
  })
  previousSecretUntil?: Date | null;

  @Field(() => String, { description: 'Subject of the token that created the webhook.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of creation, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time of the last change, UTC.' })
  updatedAt!: Date;

  /** The API shows this id as an object. */
  modelId?: string | null;
}

@ObjectType('WebhookDelivery', {
  description:
    'One message to a receiver, with the result of its newest attempt. Ended deliveries are kept ' +
    'for WEBHOOK_LOG_DAYS.',
})
export class WebhookDeliveryType {
  @Field(() => ID, {
    description: 'Opaque id (UUIDv7), the same in every attempt; the receiver finds it in the header `webhook-id`.',
  })
  id!: string;

  @Field(() => WebhookDeliveryStatusEnum, { description: 'Whether the message waits, was delivered or was given up.' })
  status!: keyof typeof WebhookDeliveryStatusEnum;

  @Field(() => Int, { description: 'Number of attempts so far, at most 8 over about 15 hours; a ping has one.' })
  attempts!: number;

  @Field(() => Int, {
    description: '0 for the original delivery of the event; one more for each time it was sent again by hand.',
  })
  redelivery!: number;

  @Field(() => Int, { nullable: true, description: 'HTTP status of the newest answer; null when there was no answer.' })
  responseStatus?: number | null;

  @Field(() => String, {
    nullable: true,
    description: 'First 1,024 bytes of the newest answer; null when there was no answer.',
  })
  responseBody?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Why the newest attempt failed, in one sentence; null when it succeeded, and before the first attempt.',
  })
  error?: string | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Duration of the newest attempt in milliseconds; null before the first attempt.',
  })
  durationMs?: number | null;

  @Field(() => DateTime, { description: 'Time when the message was created, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time when the message was delivered or given up, UTC; null while it is pending.',
  })
  endedAt?: Date | null;

  /** The API shows these ids as objects. */
  webhookId!: string;
  eventId?: string | null;
  nextAttemptAt!: Date;
}

export const WebhookConnection = connectionOf(WebhookType, 'Webhook', 'webhooks');
export const WebhookDeliveryConnection = connectionOf(WebhookDeliveryType, 'WebhookDelivery', 'webhook deliveries');

@InputType({ description: 'Filter for webhooks; all given fields must match.' })
export class WebhookFilterInput {
  @Field(() => Boolean, { nullable: true, description: 'True: enabled webhooks. False: disabled webhooks.' })
  enabled?: boolean | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Webhooks for events of this model only. NOT_FOUND when it does not exist.',
  })
  modelId?: string | null;
}

@InputType({
  description: 'Sort order of a list of webhooks: field and direction. Items with equal values are sorted by id.',
})
export class WebhookOrderInput {
  @Field(() => WebhookOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt' | 'name';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

const ABOUT_URL =
  'An https address of a public host, without user name, password or fragment. ' +
  'URL_NOT_ALLOWED for private, loopback and link-local addresses in any notation. ' +
  'The IP address of the host is checked again before each message.';

@InputType({ description: 'A new webhook: the address and the events that it receives.' })
export class CreateWebhookInput {
  @RangeOfModule(NAME)
  @Field(() => String, { description: 'Name. CONFLICT when the name is taken.' })
  name!: string;

  @RangeOfModule(OUTBOUND_URL)
  @Field(() => String, { description: ABOUT_URL })
  url!: string;

  @RangeOfModule(WEBHOOK_DESCRIPTION)
  @Field(() => String, {
    nullable: true,
    description: 'Purpose of the webhook; empty when absent.',
  })
  description?: string | null;

  @RangeOfModule(EVENT_TYPES)
  @Field(() => [EventTypeEnum.values], { description: 'Types of the events to send.' })
  eventTypes!: string[];

  @Field(() => ID, {
    nullable: true,
    description:
      'Send only events of this model; events of all models when absent. The webhook is deleted ' +
      'together with the model. NOT_FOUND when it does not exist.',
  })
  modelId?: string | null;
}

@InputType({ description: 'Changes of a webhook; absent fields do not change.' })
export class UpdateWebhookInput {
  @Field(() => ID, { description: 'Webhook to change. NOT_FOUND when it does not exist.' })
  id!: string;

  @RangeOfModule(NAME)
  @Field(() => String, {
    nullable: true,
    description: 'New name. CONFLICT when the name is taken.',
  })
  name?: string | null;

  @RangeOfModule(WEBHOOK_DESCRIPTION)
  @Field(() => String, { nullable: true, description: 'Purpose of the webhook.' })
  description?: string | null;

  @RangeOfModule(OUTBOUND_URL)
  @Field(() => String, { nullable: true, description: `${ABOUT_URL} Waiting messages go to the new address too.` })
  url?: string | null;

  @RangeOfModule(EVENT_TYPES)
  @Field(() => [EventTypeEnum.values], {
    nullable: true,
    description: 'Types of the events to send. CONFLICT in the format MLFLOW.',
  })
  eventTypes?: string[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'False: nothing is sent; messages that become due are given up, and events are not kept for ' +
      'later. True: sending starts again.',
  })
  enabled?: boolean | null;
}

@InputType({ description: 'Webhook that gets a new secret.' })
export class RotateWebhookSecretInput {
  @Field(() => ID, { description: 'The webhook. NOT_FOUND when it does not exist.' })
  id!: string;
}

@InputType({ description: 'Id of the webhook to remove.' })
export class DeleteWebhookInput {
  @Field(() => ID, { description: 'The webhook; its delivery log is deleted too. NOT_FOUND when it does not exist.' })
  id!: string;
}

@InputType({ description: 'Webhook to test with a ping message.' })
export class TestWebhookInput {
  @Field(() => ID, { description: 'The webhook, enabled or not. NOT_FOUND when it does not exist.' })
  id!: string;
}

@InputType({ description: 'Delivery to send again.' })
export class RedeliverWebhookDeliveryInput {
  @Field(() => ID, {
    description:
      'A delivery that has ended, successfully or not. NOT_FOUND when it does not exist, CONFLICT ' +
      'while it is pending.',
  })
  deliveryId!: string;
}

@ObjectType({ description: 'The webhook after the mutation.' })
export class WebhookPayload {
  @Field(() => WebhookType, { description: 'The webhook after this change, as a query would show it now.' })
  webhook!: WebhookType;
}

@ObjectType({ description: 'The webhook and its secret, which is shown only once.' })
export class WebhookSecretPayload {
  @Field(() => WebhookType, { description: 'The webhook after this change, as a query would show it now.' })
  webhook!: WebhookType;

  @Field(() => String, {
    description:
      'Signing key: `whsec_` and 32 random bytes in base64. It is shown only once: store it where ' +
      'the receiver can read it.',
  })
  secret!: string;
}

@ObjectType({ description: 'The message that will be sent within about a second.' })
export class WebhookDeliveryPayload {
  @Field(() => WebhookDeliveryType, {
    description: 'The delivery, still PENDING; `webhookDelivery` shows its result.',
  })
  delivery!: WebhookDeliveryType;
}
