import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import type { JobStatus } from './job-rows.js';

/** The stored result of a job. If the job has not succeeded, it is what its attempts have stored for later ones. */
export interface StoredResult {
  id: string;
  kind: string;
  status: JobStatus;
  result: object;
}

/** Reads results without the keys that the API does not show. Null for a job without a result. */
export function storedResults(unshown: readonly string[]) {
  const left = unshown.map((key) => ` - '${key}'`).join('');
  return async (session: Session, ids: readonly string[]): Promise<(StoredResult | null)[]> => {
    const rows = await sql<StoredResult>(
      session.em,
      `select id, kind, status, result${left} as result from job where tenant = ? and id = ` +
        'any(?::uuid[]) and result is not null',
      [session.tenant, [...ids]],
    );
    const found = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => found.get(id) ?? null);
  };
}
