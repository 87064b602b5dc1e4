import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { EventType } from '../../../modules/platform/index.js';

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
    description: p.text().default(''),
    /** How its messages are written and signed. */
    format: p.enum(['STANDARD', 'MLFLOW']).default('STANDARD'),
    eventTypes: p.json<EventType[]>(),
    /** Of those events, what MLflow calls by these names; null in the format STANDARD. */
    mlflowEvents: p.json<string[]>().nullable(),
    /** Events of this model alone. */
    modelId: p.uuid().nullable(),
    /**
     * `whsec_` and the key in base64; in the format MLFLOW any text, or nothing. Kept in the clear, because it signs;
     * no query, audit row or log line shows it.
     */
    secret: p.text().hidden(),
    /** What it was before it was rotated: signs as well until then, so that receivers can follow. */
    previousSecret: p.text().nullable().hidden(),
    previousSecretUntil: p.datetime().nullable(),
    enabled: p.boolean().default(true),
    createdBy: p.text(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type Webhook = InferEntity<typeof Webhook>;
