import type { EntityManager } from '@mikro-orm/postgresql';
import { statement } from '../../../db/statement.js';

const oldFiles = statement({
  name: 'old_request_log_files',
  text: `select f.id, f.tenant, f.object_key as "objectKey"
    from request_log_file f
    left join endpoint e on e.tenant = f.tenant and e.id = f.endpoint_id
    where e.id is null or f.hour < now() - e.log_archive_days * interval '1 day' - interval '1 hour'
      or e.log_archive_days = 0
    order by f.tenant, f.hour, f.id limit $1`,
  row: { id: 'uuid', tenant: 'text', objectKey: 'text' },
});

/** Files of all tenants that are older than their endpoint keeps them, or whose endpoint is gone. */
export function filesToRemove(em: EntityManager, limit: number) {
  return oldFiles(em, [limit]);
}
