import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { EventType } from '../../../domain/platform/events.js';

export const Webhook = defineEntity({
  name: 'Webhook',
  tableName: 'webhook',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    name: p.text(),
    url: p.text(),
    eventTypes: p.json<EventType[]>(),
    /** Events of this model alone. */
    modelId: p.uuid().nullable(),
    secret: p.text(),
    enabled: p.boolean().default(true),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type Webhook = InferEntity<typeof Webhook>;
