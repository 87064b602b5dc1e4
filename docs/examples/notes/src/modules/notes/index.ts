export { NOTE_EVENTS } from './events.js';
export { NOTES_LINEAGE } from './lineage.js';
export { createNoteLoaders } from './loaders.js';
export { NOTE_BODY, NoteService } from './note.service.js';
