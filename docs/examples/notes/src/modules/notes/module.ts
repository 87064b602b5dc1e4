import { Note } from '../../db/entities/notes/note.entity.js';
import { defineModule } from '../../define-module.js';
import { ExperimentNotesResolver, NoteResolver } from '../../resolvers/notes/note.resolver.js';
import { NoteService, createNoteLoaders } from './index.js';

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
  entities: [Note],
  createServices: ({ services }): NoteServices => ({ notes: new NoteService(services.experiments) }),
  createLoaders: createNoteLoaders,
  resolvers: [NoteResolver, ExperimentNotesResolver],
});
