export { createNoteLoaders } from './loaders.js';
export { NOTE_BODY, NoteService } from './note.service.js';
