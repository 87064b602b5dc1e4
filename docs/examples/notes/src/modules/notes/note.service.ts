import { Note } from '../../db/entities/notes/note.entity.js';
import type { Session } from '../../db/database.js';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { written } from '../core/index.js';
import type { ExperimentService, RunService } from '../experiments/index.js';
import { audit, emitEvent } from '../platform/index.js';
import { NOTE_EVENTS } from './events.js';

/** The text of a note: the schema's description and the check come from it. */
export const NOTE_BODY = written(10_000);

/** What people write about experiments. */
export class NoteService {
  constructor(
    private readonly live: LiveEvents,
    private readonly experiments: ExperimentService,
    private readonly runs: RunService,
  ) {}

  async create(
    session: Session,
    { experimentId, runId, body }: { experimentId: string; runId?: string | null; body: string },
  ): Promise<Note> {
    // NOT_FOUND when the tenant has no such experiment or run.
    const experiment = await this.experiments.get(session, experimentId);
    const run = runId == null ? null : await this.runs.get(session, runId);
    const by = session.principal.subject;
    const note = session.em.create(Note, {
      tenant: session.tenant,
      experimentId: experiment.id,
      runId: run?.id ?? null,
      body,
      createdBy: by,
    });
    const subject = { type: 'experiment', id: experiment.id };
    audit(session, 'createNote', subject, null, { noteId: note.id, runId: run?.id ?? null, body });
    const payload = { noteId: note.id, experimentId: experiment.id, by };
    emitEvent(session, this.live, NOTE_EVENTS.NOTE_WRITTEN, subject, payload);
    return note;
  }
}
