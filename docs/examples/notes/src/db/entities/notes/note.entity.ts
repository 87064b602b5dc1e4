import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';

export const Note = defineEntity({
  name: 'Note',
  tableName: 'note',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    experimentId: p.uuid(),
    /** The run that it is about; null for a note on the whole experiment. */
    runId: p.uuid().nullable(),
    body: p.text(),
    createdBy: p.text(),
  },
});
export type Note = InferEntity<typeof Note>;
