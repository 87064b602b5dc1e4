import { Experiment } from '../../../db/entities/experiments/experiment.entity.js';
import { RunCounter } from '../../../db/entities/experiments/run-counter.entity.js';
import { Run } from '../../../db/entities/experiments/run.entity.js';
import { Job } from '../../../db/entities/jobs/job.entity.js';
import type { Session } from '../../../db/database.js';
import { runPrepared } from '../../../db/statement.js';
import { anyOf, tablesOf, toJson } from '../../../db/tables.js';
import { RUN_STATUS, type RunStatus, UNFINISHED } from '../rules/run-status.js';

const tables = tablesOf(Run, RunCounter, Experiment, Job);

export async function addCounter({ em, tenant }: Session, runId: string): Promise<void> {
  await tables(em).insertInto('run_counter').values({ tenant, run_id: runId }).execute();
}

export async function statusOf({ em, tenant }: Session, runId: string): Promise<RunStatus | null> {
  const query = tables(em).selectFrom('run').select('status').where('tenant', '=', tenant).where('id', '=', runId);
  const [run] = await runPrepared(em, 'run_status', query);
  return run?.status ?? null;
}

export async function isActive({ em, tenant }: Session, runId: string): Promise<boolean> {
  const found = await tables(em)
    .selectFrom('run')
    .select('id')
    .where('tenant', '=', tenant)
    .where('id', '=', runId)
    .where('state', '=', 'ACTIVE')
    .execute();
  return found.length > 0;
}

export interface StatusChange {
  status: RunStatus;
  endedAt: Date | null;
  /** Not changed when absent. */
  startedAt?: Date;
  /** Warnings of a training; not changed when absent. */
  warnings?: Run['warnings'];
}

/**
 * The only function that changes the status of a run. False when the run does not exist, or when its current status is
 * not one of `from`; without `from`, when the rules do not allow the change.
 */
export async function changeRunStatus(
  { em, tenant }: Pick<Session, 'em' | 'tenant'>,
  runId: string,
  { status, endedAt, startedAt, warnings }: StatusChange,
  from: readonly RunStatus[] = [status, ...RUN_STATUS.before(status)],
): Promise<boolean> {
  const changed = await tables(em)
    .updateTable('run')
    .set({
      ...{ status, ended_at: endedAt },
      ...(startedAt && { started_at: startedAt }),
      ...(warnings && { warnings: toJson(warnings) }),
    })
    .where('tenant', '=', tenant)
    .where('id', '=', runId)
    .where('status', 'in', from)
    .returning('id')
    .execute();
  return changed.length > 0;
}

/** Ends a run whose job has ended before it. A run that has ended stays as it is. */
export async function endUnfinishedRun(
  session: Pick<Session, 'em' | 'tenant'>,
  runId: string,
  status: 'FAILED' | 'KILLED',
): Promise<void> {
  await changeRunStatus(session, runId, { status, endedAt: new Date() }, UNFINISHED);
}

/** Others that lock the run wait until the transaction ends. */
export async function lockRun({ em, tenant }: Session, runId: string): Promise<void> {
  await tables(em)
    .selectFrom('run')
    .select('id')
    .where('tenant', '=', tenant)
    .where('id', '=', runId)
    .forUpdate()
    .execute();
}

/** The run, its parent, the parent of that, and so on. */
export async function lineOf({ em, tenant }: Session, runId: string): Promise<string[]> {
  const rows = await tables(em)
    .withRecursive('line', (from) =>
      from
        .selectFrom('run')
        .select(['id', 'parent_run_id'])
        .where('tenant', '=', tenant)
        .where('id', '=', runId)
        .union(
          from
            .selectFrom('run as r')
            .innerJoin('line', 'line.parent_run_id', 'r.id')
            .select(['r.id', 'r.parent_run_id'])
            .where('r.tenant', '=', tenant),
        ),
    )
    .selectFrom('line')
    .select('id')
    .execute();
  return rows.map(({ id }) => id);
}

/** Restores the runs that were deleted with one experiment, but not those whose garbage collection has begun. */
export async function restoreRuns({ em, tenant }: Session, experimentId: string, deletedAt: Date): Promise<void> {
  await tables(em)
    .updateTable('run')
    .set({ state: 'ACTIVE', deleted_at: null })
    .where('tenant', '=', tenant)
    .where('experiment_id', '=', experimentId)
    .where('state', '=', 'DELETED')
    .where('deleted_at', '=', deletedAt)
    .where('collection_began_at', 'is', null)
    .execute();
}

/** An unfinished training whose run is in the experiment. */
export async function unfinishedTrainingIn({ em, tenant }: Session, experimentId: string): Promise<string | null> {
  const job = await tables(em)
    .selectFrom('job as j')
    .innerJoin('run as r', (on) => on.onRef('r.tenant', '=', 'j.tenant').onRef('r.id', '=', 'j.run_id'))
    .select('j.id')
    .where('j.tenant', '=', tenant)
    .where('r.experiment_id', '=', experimentId)
    .where('j.kind', 'in', ['TRAINING', 'TUNING', 'SCRIPT'])
    .where('j.status', 'in', ['QUEUED', 'RUNNING'])
    .limit(1)
    .executeTakeFirst();
  return job?.id ?? null;
}

/** Makes the experiment of this name the default one; creates it when it does not exist. */
export async function makeDefault({ em, tenant, principal }: Session, id: string, name: string): Promise<void> {
  const now = new Date();
  await tables(em)
    .insertInto('experiment')
    .values({
      ...{ id, tenant, name, description: '', tags: toJson({}), is_default: true, created_by: principal.subject },
      ...{ created_at: now, updated_at: now },
    })
    .onConflict((on) => on.columns(['tenant', 'name']).doUpdateSet({ is_default: true }))
    .execute();
}

/** The values from which the ids and the artifact addresses of an experiment's runs and models are built. */
export function addressesOf({ em, tenant }: Session, ids: readonly string[]) {
  const query = tables(em)
    .selectFrom('experiment')
    .select(['id', 'is_default as isDefault', 'artifact_location as artifactLocation'])
    .where('tenant', '=', tenant)
    .where('id', '=', anyOf('uuid', ids));
  return runPrepared(em, 'experiment_places', query);
}
