import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { Job } from '../../../db/entities/jobs/job.entity.js';
import { StagedObject } from '../../../db/entities/uploads/staged-object.entity.js';
import { Upload } from '../../../db/entities/uploads/upload.entity.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(Upload, StagedObject, Job);

/** Deletes old uploads that no import waits for, and stages their files. Returns the keys of these files. */
export async function stageUnused(em: EntityManager, before: Date, limit: number): Promise<string[]> {
  const rows = await tables(em)
    .with('old', (from) =>
      from
        .selectFrom('upload as u')
        .select('u.id')
        .where('u.created_at', '<', before)
        .where((where) =>
          where.not(
            where.exists(
              where
                .selectFrom('job as j')
                .select('j.id')
                .whereRef('j.tenant', '=', 'u.tenant')
                .where('j.kind', '=', 'EXPERIMENT_IMPORT')
                .where('j.status', 'in', ['QUEUED', 'RUNNING'])
                .where(sql<boolean>`j.config ->> 'uploadId' = u.id::text`),
            ),
          ),
        )
        .limit(limit)
        .forUpdate('u')
        .skipLocked(),
    )
    .with('gone', (from) =>
      from.deleteFrom('upload').using('old').whereRef('upload.id', '=', 'old.id').returning(['tenant', 'object_key']),
    )
    .insertInto('staged_object')
    .columns(['tenant', 'object_key'])
    .expression((select) => select.selectFrom('gone').select(['tenant', 'object_key']))
    .returning('object_key')
    .execute();
  return rows.map(({ object_key }) => object_key);
}
