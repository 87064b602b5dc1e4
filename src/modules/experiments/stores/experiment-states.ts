import { Experiment } from '../../../db/entities/experiments/experiment.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf } from '../../../db/tables.js';
import { noteWritten } from '../../../db/written.js';
import { EXPERIMENT_STATE, type ExperimentState, stateOf } from '../rules/experiment-state.js';

const tables = tablesOf(Experiment);

/** The new state of an experiment, with the values that belong to it. */
export type ExperimentChange =
  | { to: 'ACTIVE' }
  | { to: 'DELETED'; deletedAt: Date }
  /** This job continues an import that another job has left. */
  | { to: 'IMPORTING'; jobId: string };

/** The columns of each state. */
const STORED: Record<ExperimentState, { state: Experiment['state']; isImporting: boolean }> = {
  ACTIVE: { state: 'ACTIVE', isImporting: false },
  DELETED: { state: 'DELETED', isImporting: false },
  IMPORTING: { state: 'DELETED', isImporting: true },
};

/**
 * The only function that changes `state` and `importJobId` of an experiment. CONFLICT when its current state does
 * not allow it, whatever the transaction has read before.
 */
export async function changeExperimentState(
  { em, tenant }: Session,
  experiment: Experiment,
  change: ExperimentChange,
): Promise<void> {
  const { id } = experiment;
  const now = new Date();
  const written = {
    state: STORED[change.to].state,
    importJobId: change.to === 'IMPORTING' ? change.jobId : null,
    updatedAt: now,
    ...(change.to === 'ACTIVE' && { deletedAt: null }),
    ...(change.to === 'DELETED' && { deletedAt: change.deletedAt }),
  };
  const changed = await tables(em)
    .updateTable('experiment')
    .set({
      ...{ state: written.state, import_job_id: written.importJobId, updated_at: now },
      ...(written.deletedAt !== undefined && { deleted_at: written.deletedAt }),
    })
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .where((where) =>
      where.or(
        EXPERIMENT_STATE.before(change.to).map((from) =>
          where.and([
            where('state', '=', STORED[from].state),
            where('import_job_id', STORED[from].isImporting ? 'is not' : 'is', null),
          ]),
        ),
      ),
    )
    .returning('id')
    .execute();
  if (changed.length === 0) {
    const present = await importOf({ em, tenant }, id);
    throw EXPERIMENT_STATE.refusal(stateOf(present), change.to);
  }
  noteWritten(experiment, written);
}

/** The state of an experiment, with the job that is importing it, if any. */
export function importOf(
  { em, tenant }: Pick<Session, 'em' | 'tenant'>,
  id: string,
): Promise<Pick<Experiment, 'id' | 'state' | 'importJobId'>> {
  return tables(em)
    .selectFrom('experiment')
    .select(['id', 'state', 'import_job_id as importJobId'])
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
}
