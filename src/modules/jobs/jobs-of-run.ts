import { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';
import { tablesOf } from '../../db/tables.js';

const tables = tablesOf(Job);

/** Kinds whose jobs are only about their run; they are deleted with it. */
export const JOBS_OF_RUN = ['TRAINING', 'RUN_ARCHIVE'] as const;

/** Deletes the jobs that are only about the run, and clears the run in other jobs that name it. */
export async function deleteJobsOfRun({ em, tenant }: Session, runId: string): Promise<void> {
  await tables(em)
    .deleteFrom('job')
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('kind', 'in', JOBS_OF_RUN)
    .execute();
  await tables(em)
    .updateTable('job')
    .set({ run_id: null })
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .execute();
}
