import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const RunModel = defineEntity({
  name: 'RunModel',
  tableName: 'run_model',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    runId: p.uuid(),
    loggedModelId: p.uuid(),
    direction: p.enum(['INPUT', 'OUTPUT']),
    step: p.bigint('number').default(0),
  },
});
export type RunModel = InferEntity<typeof RunModel>;
