import type { Database } from '../../db/database.js';
import { sql } from '../../db/sql.js';

interface Counted {
  kind: string;
  count: number;
}

/**
 * Counts over all tenants, for the operators of the service. Jobs that ended long ago are left out, so that the query
 * stays cheap.
 */
export async function readFigures(
  db: Database,
): Promise<{ jobs: (Counted & { status: string })[]; openAlerts: Counted[] }> {
  return db.asSystem(async (em) => ({
    jobs: await sql<Counted & { status: string }>(
      em,
      `select kind, status, count(*)::int as count from job where status in ('QUEUED', 'RUNNING') or ` +
        `ended_at > now() - interval '1 hour' group by kind, status`,
    ),
    openAlerts: await sql<Counted>(
      em,
      `select kind, count(*)::int as count from alert where status = 'OPEN' group by kind`,
    ),
  }));
}
