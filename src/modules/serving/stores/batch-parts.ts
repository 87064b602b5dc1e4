import type { EntityManager } from '@mikro-orm/postgresql';
import { Job } from '../../../db/entities/jobs/job.entity.js';
import { BatchInferencePart } from '../../../db/entities/serving/batch-inference-part.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';
import { BATCH_INFERENCE } from '../batch-inference.job-kind.js';

const tables = tablesOf(BatchInferencePart, Job);

export interface BatchPart {
  /** The number of the row after its last row. */
  endRow: number;
  objectKey: string;
  sizeBytes: number;
  sha256: string;
}

/** Sorted by row, without gaps: each attempt continues after the last stored part. */
export function partsOf({ em, tenant }: Session, jobId: string): Promise<BatchPart[]> {
  return tables(em)
    .selectFrom('batch_inference_part')
    .select(['end_row as endRow', 'object_key as objectKey', 'size_bytes as sizeBytes', 'sha256'])
    .where('tenant', '=', tenant)
    .where('job_id', '=', jobId)
    .orderBy('end_row')
    .execute();
}

export async function addPart(
  { em, tenant }: Session,
  { id, attempt }: { id: string; attempt: number },
  { endRow, objectKey, sizeBytes, sha256 }: BatchPart,
): Promise<void> {
  await tables(em)
    .insertInto('batch_inference_part')
    .values({ tenant, job_id: id, end_row: endRow, attempt, object_key: objectKey, size_bytes: sizeBytes, sha256 })
    .execute();
}

export async function removeParts({ em, tenant }: Session, jobId: string, parts: readonly BatchPart[]): Promise<void> {
  await tables(em)
    .deleteFrom('batch_inference_part')
    .where('tenant', '=', tenant)
    .where('job_id', '=', jobId)
    .where(
      'object_key',
      '=',
      anyOf(
        'text',
        parts.map(({ objectKey }) => objectKey),
      ),
    )
    .execute();
}

/** Jobs of all tenants that ended without a result and have parts. */
export function endedWithParts(em: EntityManager, limit: number) {
  return tables(em)
    .selectFrom('job')
    .select(['id', 'tenant', 'created_by as createdBy'])
    .where('kind', '=', BATCH_INFERENCE.kind)
    .where('status', 'in', ['FAILED', 'CANCELLED'])
    .where((where) =>
      where.exists(
        where.selectFrom('batch_inference_part as p').select('p.end_row').whereRef('p.job_id', '=', 'job.id'),
      ),
    )
    .limit(limit)
    .execute();
}
