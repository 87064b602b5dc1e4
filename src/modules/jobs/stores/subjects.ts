import { JobSubject } from '../../../db/entities/jobs/job-subject.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(JobSubject);

/** What each of the jobs is about. */
export function subjectsOfJobs({ em, tenant }: Session, jobIds: readonly string[]) {
  return tables(em)
    .selectFrom('job_subject')
    .select(['job_id as ownerId', 'type', 'subject_id as id'])
    .where('tenant', '=', tenant)
    .where('job_id', '=', anyOf('uuid', jobIds))
    .orderBy('type')
    .orderBy('subject_id')
    .execute();
}
