import { Checkpoint } from '../../../db/entities/training/checkpoint.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(Checkpoint);

/** The checkpoints of each job, newest first. */
export function checkpointsOfJobs({ em, tenant }: Session, jobIds: readonly string[]) {
  return tables(em)
    .selectFrom('checkpoint')
    .select(['job_id as ownerId', 'epoch', 'attempt', 'size_bytes as sizeBytes', 'sha256', 'created_at as createdAt'])
    .where('tenant', '=', tenant)
    .where('job_id', '=', anyOf('uuid', jobIds))
    .orderBy('epoch', 'desc')
    .orderBy('attempt', 'desc')
    .execute();
}
