import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { latencyPercentileMs } from '../model-contract/index.js';

export interface TrafficPeriod {
  /** Counts minutes that begin at this time or later; when absent, from the first. */
  from?: Date | null;
  /** Counts minutes that begin before this time; when absent, to the last. */
  to?: Date | null;
}

/** The traffic of a deployment in a period, by its exact counters. */
export interface Traffic {
  requests: number;
  rows: number;
  errors: number;
  errorRate: number | null;
  latencyP50Ms: number | null;
  latencyP95Ms: number | null;
  comparedRows: number;
  disagreements: number;
  disagreementRate: number | null;
}

interface Sums {
  deploymentId: string;
  requests: number;
  rows: number;
  errors: number;
  latencyCounts: number[];
  comparedRows: number;
  disagreements: number;
}

/** The traffic of several deployments in one statement, in their order. */
export async function readTraffic(
  session: Session,
  deploymentIds: readonly string[],
  { from, to }: TrafficPeriod,
): Promise<Traffic[]> {
  const sums = await sql<Sums>(
    session.em,
    `with minutes as (
       select * from deployment_minute where tenant = ? and deployment_id = any(?::uuid[])
         and minute >= coalesce(?::timestamptz, '-infinity') and minute < coalesce(?::timestamptz, 'infinity')),
     buckets as (
       select deployment_id, n, sum(count) as count from minutes, unnest(latency_counts) with ordinality as u(count,
         n) group by deployment_id, n)
     select deployment_id as "deploymentId", sum(requests)::float8 as requests, sum(rows)::float8 as rows,
       sum(errors)::float8 as errors,
       sum(compared_rows)::float8 as "comparedRows", sum(disagreements)::float8 as disagreements,
       (select array_agg(b.count::float8 order by n) from buckets b
         where b.deployment_id = minutes.deployment_id) as "latencyCounts"
     from minutes group by deployment_id`,
    [session.tenant, [...deploymentIds], from ?? null, to ?? null],
  );
  const byId = new Map(sums.map((sum) => [sum.deploymentId, sum]));
  return deploymentIds.map((id) => toTraffic(byId.get(id)));
}

function toTraffic(sums: Sums | undefined): Traffic {
  const { requests, rows, errors, comparedRows, disagreements, latencyCounts } = sums ?? NOTHING;
  const latency = (share: number) => (requests > 0 ? latencyPercentileMs(latencyCounts, share) : null);
  return {
    requests,
    rows,
    errors,
    errorRate: requests > 0 ? errors / requests : null,
    latencyP50Ms: latency(0.5),
    latencyP95Ms: latency(0.95),
    comparedRows,
    disagreements,
    disagreementRate: comparedRows > 0 ? disagreements / comparedRows : null,
  };
}

const NOTHING: Omit<Sums, 'deploymentId'> = {
  requests: 0,
  rows: 0,
  errors: 0,
  latencyCounts: [],
  comparedRows: 0,
  disagreements: 0,
};
