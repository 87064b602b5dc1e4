import { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf } from '../../../db/tables.js';
import { noteWritten } from '../../../db/written.js';
import { conflict } from '../../../errors.js';
import { VERSION_STAGE, type StageChange } from '../rules/stages.js';
import { VERSION_STATUS } from '../rules/version-status.js';

const tables = tablesOf(ModelVersion);

/**
 * The only function that changes the stage of a version. CONFLICT when no version may move from one stage to the other,
 * or when this version is no longer in the stage from which the change was decided.
 */
export async function changeStage({ em, tenant }: Session, { versionId, from, to }: StageChange): Promise<void> {
  VERSION_STAGE.require(from, to);
  const changed = await tables(em)
    .updateTable('model_version')
    .set({ stage: to, updated_at: new Date() })
    .where('tenant', '=', tenant)
    .where('id', '=', versionId)
    .where('stage', '=', from)
    .returning('id')
    .execute();
  if (changed.length === 0)
    throw conflict('The stage of the version was changed by somebody else: read it again, then decide.', {
      expected: from,
      got: versionId,
    });
}

/**
 * The only function that changes the status of a version. CONFLICT when its current status does not allow it, whatever
 * the transaction has read before. `error` says why it FAILED.
 */
export async function changeVersionStatus(
  { em, tenant }: Session,
  version: ModelVersion,
  status: ModelVersion['status'],
  error: string | null = version.error ?? null,
): Promise<void> {
  const { id } = version;
  const now = new Date();
  const changed = await tables(em)
    .updateTable('model_version')
    .set({ status, error, updated_at: now })
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .where('status', 'in', VERSION_STATUS.before(status))
    .returning('id')
    .execute();
  if (changed.length === 0) {
    const query = tables(em).selectFrom('model_version').select('status').where('tenant', '=', tenant);
    const present = await query.where('id', '=', id).executeTakeFirstOrThrow();
    throw VERSION_STATUS.refusal(present.status, status);
  }
  noteWritten(version, { status, error, updatedAt: now });
}
