import { Note } from '../../db/entities/notes/note.entity.js';
import type { Session } from '../../db/database.js';
import type { Batches } from '../platform/index.js';

export function createNoteLoaders(batches: Batches) {
  return {
    /** Oldest first. */
    experimentNotes: batches.of(readNotes),
  };
}

/** One statement for all experiments of a request. */
async function readNotes(session: Session, experimentIds: readonly string[]): Promise<Note[][]> {
  const where = { tenant: session.tenant, experimentId: { $in: [...experimentIds] } };
  const rows = await session.em.find(Note, where, { orderBy: { createdAt: 'ASC', id: 'ASC' } });
  const groups = Map.groupBy(rows, ({ experimentId }) => experimentId);
  return experimentIds.map((id) => groups.get(id) ?? []);
}
