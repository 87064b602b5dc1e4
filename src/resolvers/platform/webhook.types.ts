import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { EventType } from '../../modules/platform/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';

export const WebhookDeliveryStatusEnum = describeEnum(
  'WebhookDeliveryStatus',
  'How far a message to a receiver has come.',
  {
    PENDING: 'It waits for its first or next attempt, or is on its way.',
    DELIVERED: 'The receiver answered with 200 to 299.',
    FAILED: 'It was given up; `error` says why. It can be delivered again by hand.',
  },
);

export const WebhookFormatEnum = describeEnum('WebhookFormat', 'How messages are written and signed.', {
  STANDARD: 'Our events, signed as the Standard Webhooks specification has it.',
  MLFLOW: 'As MLflow’s own server writes and signs them: the webhook was made by an MLflow client.',
});

export const WebhookOrderField = describeOrderFields<'createdAt' | 'name'>(
  'WebhookOrderField',
  'What webhooks can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they were made.'],
    NAME: ['name', 'Their names, in the order of the alphabet.'],
  },
);

@ObjectType('Webhook', {
  description:
    'An address outside that is told of lifecycle events by signed POST requests, each at least once and in ' +
    'no promised order. How to receive and verify them: docs/webhooks.md.',
})
export class WebhookType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'What people call it, unique in the tenant.' })
  name!: string;

  @Field(() => String, { description: 'What it is for, in its owners’ words; may be empty.' })
  description!: string;

  @Field(() => String, { description: 'Where messages are sent, as it was checked when it was saved.' })
  url!: string;

  @Field(() => WebhookFormatEnum, { description: 'How its messages are written; what it was made by decides.' })
  format!: keyof typeof WebhookFormatEnum;

  @Field(() => [EventType], { description: 'Events that are sent, at least one type.' })
  eventTypes!: EventType[];

  @Field(() => Boolean, { description: 'False: nothing is sent. A receiver that answers 410 (gone) disables it.' })
  enabled!: boolean;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Until when, UTC, the secret before the last rotation signs as well; null when it was never rotated.',
  })
  previousSecretUntil?: Date | null;

  @Field(() => String, { description: 'Subject of the token that made it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was made, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last changed, UTC.' })
  updatedAt!: Date;

  /** Shown as an object. */
  modelId?: string | null;
}

@ObjectType('WebhookDelivery', {
  description:
    'A message to a receiver with the outcome of its newest attempt. Ended ones are kept for WEBHOOK_LOG_DAYS.',
})
export class WebhookDeliveryType {
  @Field(() => ID, {
    description: 'Opaque id (UUIDv7), the same at every attempt; the receiver finds it in the header `webhook-id`.',
  })
  id!: string;

  @Field(() => WebhookDeliveryStatusEnum, { description: 'How far it has come.' })
  status!: keyof typeof WebhookDeliveryStatusEnum;

  @Field(() => Int, { description: 'How often it has been sent, up to 8 times over about 15 hours; a ping once.' })
  attempts!: number;

  @Field(() => Int, {
    description:
      '0 for the message of the event itself, then one more for each time that it was delivered again by hand.',
  })
  redelivery!: number;

  @Field(() => Int, { nullable: true, description: 'HTTP status of the newest answer; null when none came.' })
  responseStatus?: number | null;

  @Field(() => String, { nullable: true, description: 'First 1,024 bytes of the newest answer; null when none came.' })
  responseBody?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why the newest attempt was no success, in one sentence; null when it was, or before the first.',
  })
  error?: string | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Milliseconds that the newest attempt took; null before the first.',
  })
  durationMs?: number | null;

  @Field(() => DateTime, { description: 'When the message was made, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it was delivered or given up, UTC; null while it is pending.',
  })
  endedAt?: Date | null;

  /** Shown as objects. */
  webhookId!: string;
  eventId?: string | null;
  nextAttemptAt!: Date;
}

export const WebhookConnection = connectionOf(WebhookType, 'Webhook', 'webhooks');
export const WebhookDeliveryConnection = connectionOf(WebhookDeliveryType, 'WebhookDelivery', 'webhook deliveries');

@InputType({ description: 'Which webhooks; every given field must hold.' })
export class WebhookFilterInput {
  @Field(() => Boolean, { nullable: true, description: 'True for those that send, false for those that do not.' })
  enabled?: boolean | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Webhooks for events of this model alone. NOT_FOUND when there is none.',
  })
  modelId?: string | null;
}

@InputType({
  description:
    'The order of a list of webhooks: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class WebhookOrderInput {
  @Field(() => WebhookOrderField, { description: 'Field to sort by.' })
  field!: 'createdAt' | 'name';

  @Field(() => OrderDirection, { description: 'Direction of the order.' })
  direction!: OrderDirection;
}

const ABOUT_URL =
  'An https address of a public host, without user name, password or fragment, at most 2,000 ' +
  'characters. URL_NOT_ALLOWED for private, loopback and link-local addresses in any notation. ' +
  'The IP address of the host is checked again before each message.';

@InputType({ description: 'A new webhook: the address and the events that it receives.' })
export class CreateWebhookInput {
  @Field(() => String, { description: 'Name: 1 to 250 visible characters. CONFLICT when the name is taken.' })
  name!: string;

  @Field(() => String, { description: ABOUT_URL })
  url!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Purpose of the webhook, at most 5,000 characters; empty when absent.',
  })
  description?: string | null;

  @Field(() => [EventType], { description: 'Types of the events to send, at least one.' })
  eventTypes!: EventType[];

  @Field(() => ID, {
    nullable: true,
    description:
      'Send only events of this model; events of all models when absent. The webhook is deleted ' +
      'together with the model. NOT_FOUND when it does not exist.',
  })
  modelId?: string | null;
}

@InputType({ description: 'Changes of a webhook; what is absent stays.' })
export class UpdateWebhookInput {
  @Field(() => ID, { description: 'The webhook to change. NOT_FOUND when there is none.' })
  id!: string;

  @Field(() => String, { nullable: true, description: 'A new name: 1 to 250 visible characters. CONFLICT when taken.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'What it is for, at most 5,000 characters.' })
  description?: string | null;

  @Field(() => String, { nullable: true, description: `${ABOUT_URL} Messages that wait go there too.` })
  url?: string | null;

  @Field(() => [EventType], {
    nullable: true,
    description: 'Events to send from now on, at least one type. CONFLICT in the format MLFLOW.',
  })
  eventTypes?: EventType[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'False ends the sending: messages that come due are given up, and events are not kept for later. True ' +
      'begins it again.',
  })
  enabled?: boolean | null;
}

@InputType({ description: 'The webhook that gets a new secret.' })
export class RotateWebhookSecretInput {
  @Field(() => ID, { description: 'The webhook whose secret is replaced. NOT_FOUND when there is none.' })
  id!: string;
}

@InputType({ description: 'Webhook to delete.' })
export class DeleteWebhookInput {
  @Field(() => ID, { description: 'The webhook; its delivery log is deleted too. NOT_FOUND when it does not exist.' })
  id!: string;
}

@InputType({ description: 'The webhook that is tried out.' })
export class TestWebhookInput {
  @Field(() => ID, { description: 'The webhook to try, enabled or not. NOT_FOUND when there is none.' })
  id!: string;
}

@InputType({ description: 'The message that is sent once more.' })
export class RedeliverWebhookDeliveryInput {
  @Field(() => ID, {
    description: 'A delivery that has ended, well or not. NOT_FOUND when there is none, CONFLICT while it is pending.',
  })
  deliveryId!: string;
}

@ObjectType({ description: 'The webhook after the mutation.' })
export class WebhookPayload {
  @Field(() => WebhookType, { description: 'The webhook after this change, as a query would show it now.' })
  webhook!: WebhookType;
}

@ObjectType({ description: 'The webhook and its secret, which no later answer shows.' })
export class WebhookSecretPayload {
  @Field(() => WebhookType, { description: 'The webhook after this change, as a query would show it now.' })
  webhook!: WebhookType;

  @Field(() => String, {
    description:
      'Key of the signatures: `whsec_` and 32 random bytes in base64. Shown this once: keep it where the ' +
      'receiver can read it.',
  })
  secret!: string;
}

@ObjectType({ description: 'The message that will be sent within a second or so.' })
export class WebhookDeliveryPayload {
  @Field(() => WebhookDeliveryType, {
    description: 'The delivery, still PENDING; `webhookDelivery` shows what becomes of it.',
  })
  delivery!: WebhookDeliveryType;
}
