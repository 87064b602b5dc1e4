import type { Session } from '../../db/database.js';
import { latencyPercentileMs } from '../model-contract/index.js';
import { trafficSums } from './stores/traffic.js';

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
  unlogged: number;
}

/** The exact counters of a deployment since its start. */
export interface DeploymentCounts {
  requests: number;
  errors: number;
  /** Requests in each bucket of the latency histogram. */
  latencyCounts: number[];
}

/** The counters of several deployments in one statement, in their order. */
export async function readCounts(session: Session, deploymentIds: readonly string[]): Promise<DeploymentCounts[]> {
  const sums = await trafficSums(session, deploymentIds, { from: null, to: null });
  return deploymentIds.map((id) => {
    const { requests, errors, latencyCounts } = sums.find(({ deploymentId }) => deploymentId === id) ?? NOTHING;
    return { requests, errors, latencyCounts: latencyCounts ?? [] };
  });
}

type Sums = Omit<Awaited<ReturnType<typeof trafficSums>>[number], 'deploymentId'>;

/** The traffic of several deployments in one statement, in their order. */
export async function readTraffic(
  session: Session,
  deploymentIds: readonly string[],
  { from, to }: TrafficPeriod,
): Promise<Traffic[]> {
  const sums = await trafficSums(session, deploymentIds, { from: from ?? null, to: to ?? null });
  const byId = new Map(sums.map((sum) => [sum.deploymentId, sum]));
  return deploymentIds.map((id) => toTraffic(byId.get(id)));
}

function toTraffic(sums: Sums | undefined): Traffic {
  const { requests, rows, errors, comparedRows, disagreements, unlogged, latencyCounts } = sums ?? NOTHING;
  const latency = (share: number) => (requests > 0 ? latencyPercentileMs(latencyCounts ?? [], share) : null);
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
    unlogged,
  };
}

const NOTHING: Sums = {
  requests: 0,
  rows: 0,
  errors: 0,
  latencyCounts: [],
  comparedRows: 0,
  disagreements: 0,
  unlogged: 0,
};
