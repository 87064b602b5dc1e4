import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const Event = defineEntity({
  name: 'Event',
  tableName: 'event',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    type: p.text(),
    subjectType: p.text(),
    subjectId: p.uuid(),
    modelId: p.uuid().nullable(),
    endpointId: p.uuid().nullable(),
    payload: p.json<Record<string, unknown>>(),
    seq: p.bigint('number').nullable(),
  },
});
export type Event = InferEntity<typeof Event>;
