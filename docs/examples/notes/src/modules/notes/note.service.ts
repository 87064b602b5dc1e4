import { Note } from '../../db/entities/notes/note.entity.js';
import type { Session } from '../../db/database.js';
import { written } from '../core/index.js';
import type { ExperimentService } from '../experiments/index.js';
import { audit } from '../platform/index.js';

/** The text of a note: the schema's description and the check come from it. */
export const NOTE_BODY = written(10_000);

/** What people write about experiments. */
export class NoteService {
  constructor(private readonly experiments: ExperimentService) {}

  async create(session: Session, { experimentId, body }: { experimentId: string; body: string }): Promise<Note> {
    // NOT_FOUND when the tenant has no such experiment.
    const experiment = await this.experiments.get(session, experimentId);
    const note = session.em.create(Note, {
      tenant: session.tenant,
      experimentId: experiment.id,
      body,
      createdBy: session.principal.subject,
    });
    audit(session, 'createNote', { type: 'experiment', id: experiment.id }, null, { noteId: note.id, body });
    return note;
  }
}
