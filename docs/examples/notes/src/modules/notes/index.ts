export { createNoteLoaders } from './loaders.js';
export { NoteService } from './note.service.js';
