import { Note } from '../../db/entities/notes/note.entity.js';
import { defineModule } from '../../define-module.js';
import { ExperimentNotesResolver, NoteResolver } from '../../resolvers/notes/note.resolver.js';
import { NOTE_EVENTS, NOTES_LINEAGE, NoteService, createNoteLoaders } from './index.js';

interface NoteServices {
  notes: NoteService;
}

type NoteLoaders = ReturnType<typeof createNoteLoaders>;

declare module '../../services.js' {
  interface Services extends NoteServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends NoteLoaders {}
}

export default defineModule({
  name: 'notes',
  events: NOTE_EVENTS,
  lineage: NOTES_LINEAGE,
  entities: [Note],
  createServices: ({ live, services }): NoteServices => ({
    notes: new NoteService(live, services.experiments, services.runs),
  }),
  createLoaders: createNoteLoaders,
  resolvers: [NoteResolver, ExperimentNotesResolver],
});
