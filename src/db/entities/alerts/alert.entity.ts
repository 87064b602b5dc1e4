import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { double } from '../../columns.js';

export const Alert = defineEntity({
  name: 'Alert',
  tableName: 'alert',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    kind: p.enum(['DRIFT', 'LATENCY', 'ERROR_RATE']),
    status: p.enum(['OPEN', 'RESOLVED']).default('OPEN'),
    modelId: p.uuid(),
    endpointId: p.uuid(),
    deploymentId: p.uuid(),
    value: double(),
    threshold: double(),
    message: p.text(),
    details: p.json<Record<string, unknown>>().onCreate(() => ({})),
    cleanWindows: p.integer().default(0),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
    resolvedAt: p.datetime().nullable(),
  },
});
export type Alert = InferEntity<typeof Alert>;
