import { z } from 'zod';
import { defineEvents } from '../platform/index.js';

export const NOTE_EVENTS = defineEvents({
  NOTE_WRITTEN: {
    about: 'A person wrote a note on an experiment.',
    payload: z.object({ noteId: z.guid(), experimentId: z.guid(), by: z.string() }),
  },
});
