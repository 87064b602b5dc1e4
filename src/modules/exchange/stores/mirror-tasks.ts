import { MirrorTask } from '../../../db/entities/exchange/mirror-task.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(MirrorTask);

/** Stops mirroring an object that was removed. */
export async function forgetMirrorTasks({ em, tenant }: Session, localId: string): Promise<void> {
  await tables(em).deleteFrom('mirror_task').where('tenant', '=', tenant).where('local_id', '=', localId).execute();
}
