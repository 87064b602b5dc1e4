import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { Session } from '../../db/database.js';
import { type LiveMetrics, liveMetrics } from './rules/live-quality.js';
import { labelledCounts } from './stores/ground-truth.js';
import { badInput, notFound } from '../../errors.js';
import { findEndpoint, type NamedEndpoint, readTraffic } from '../serving/index.js';

export interface QualityPeriod {
  /** The time of the prediction. */
  from?: Date | null;
  to?: Date | null;
  windowMinutes?: number | null;
}

export interface LiveQuality extends LiveMetrics {
  from: Date;
  to: Date;
  servedRows: number;
  windows: (LiveMetrics & { from: Date; to: Date })[];
}

const DEFAULT_DAYS = 30;
const DEFAULT_WINDOW_MINUTES = 24 * 60;
const MAX_WINDOWS = 1_000;
const MINUTE_MS = 60_000;

/** The quality of the answers of an endpoint or of one of its deployments, measured against ground truth. */
export async function readLiveQuality(
  session: Session,
  ref: NamedEndpoint,
  deploymentId: string | null | undefined,
  period: QualityPeriod,
): Promise<LiveQuality> {
  const { from, to, windowMs } = checkPeriod(period);
  const endpoint = await findEndpoint(session, ref, 'endpointId');
  const deployments = await session.em.find(
    Deployment,
    { tenant: session.tenant, endpointId: endpoint.id },
    { orderBy: { id: 'ASC' } },
  );
  const chosen = deploymentId == null ? deployments : deployments.filter(({ id }) => id === deploymentId);
  if (deploymentId != null && chosen.length === 0) throw notFound('deployment', deploymentId);
  const ids = chosen.map(({ id }) => id);
  const counts = await labelledCounts(session, ids, { from, to, windowMs });
  const classes = await readClasses(session, chosen);
  const byWindow = Map.groupBy(counts, ({ window }) => window);
  const windows = [...byWindow.keys()].sort((a, b) => a - b);
  const traffic = await readTraffic(session, ids, { from, to });
  return {
    ...liveMetrics(counts, classes),
    from,
    to,
    servedRows: traffic.reduce((sum, { rows }) => sum + rows, 0),
    windows: windows.map((window) => ({
      ...liveMetrics(byWindow.get(window)!, classes),
      from: new Date(from.getTime() + window * windowMs),
      to: new Date(Math.min(to.getTime(), from.getTime() + (window + 1) * windowMs)),
    })),
  };
}

/** The classes of the newest deployment whose version names them. */
async function readClasses(session: Session, deployments: readonly Deployment[]): Promise<string[]> {
  const ids = [...new Set(deployments.map(({ modelVersionId }) => modelVersionId))];
  const versions = await session.em.find(
    ModelVersion,
    { tenant: session.tenant, id: { $in: ids } },
    { exclude: ['reference'] },
  );
  for (const { modelVersionId } of deployments.toReversed()) {
    const classes = versions.find(({ id }) => id === modelVersionId)?.signature?.classes;
    if (classes) return classes;
  }
  return [];
}

function checkPeriod({ from, to, windowMinutes }: QualityPeriod): { from: Date; to: Date; windowMs: number } {
  const minutes = windowMinutes ?? DEFAULT_WINDOW_MINUTES;
  const end = to ?? new Date();
  const start = from ?? new Date(end.getTime() - DEFAULT_DAYS * 24 * 60 * MINUTE_MS);
  if (start >= end) throw badInput('to', 'a time after from', end);
  const windowMs = minutes * MINUTE_MS;
  if ((end.getTime() - start.getTime()) / windowMs > MAX_WINDOWS)
    throw badInput('windowMinutes', `windows of which at most ${MAX_WINDOWS} lie between from and to`, minutes);
  return { from: start, to: end, windowMs };
}
