import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { RequestLogFile } from '../../../db/entities/monitoring/request-log-file.entity.js';
import { Endpoint } from '../../../db/entities/serving/endpoint.entity.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(RequestLogFile, Endpoint);

/** Files of all tenants that are older than their endpoint keeps them, or whose endpoint is gone. */
export function filesToRemove(em: EntityManager, limit: number) {
  return tables(em)
    .selectFrom('request_log_file as f')
    .leftJoin('endpoint as e', (join) => join.onRef('e.tenant', '=', 'f.tenant').onRef('e.id', '=', 'f.endpoint_id'))
    .select(['f.id', 'f.tenant', 'f.object_key as objectKey'])
    .where((is) =>
      is.or([
        is('e.id', 'is', null),
        is('e.log_archive_days', '=', 0),
        is('f.hour', '<', sql<Date>`now() - e.log_archive_days * interval '1 day' - interval '1 hour'`),
      ]),
    )
    .orderBy('f.tenant')
    .orderBy('f.hour')
    .orderBy('f.id')
    .limit(limit)
    .execute();
}
