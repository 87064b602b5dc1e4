import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

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
    /** The format and the signature of its messages. */
    format: p.enum(['STANDARD', 'MLFLOW']).default('STANDARD'),
    eventTypes: p.json<string[]>(),
    /** MLflow's names of the events; null in the format STANDARD. */
    mlflowEvents: p.json<string[]>().nullable(),
    /** Only events of this model. */
    modelId: p.uuid().nullable(),
    /**
     * `whsec_` and the key in base64; in the format MLFLOW any text, or nothing. Stored in plain text, because it
     * signs; no query, audit row or log line shows it.
     */
    secret: p.text().hidden(),
    /**
     * The secret before the rotation. It signs as well until this time, so that receivers can change to the new one.
     */
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
