import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import type { Batches } from '../platform/index.js';
import { ACTIVE } from './deployment-rows.js';
import { readFollowed } from './followed-versions.js';
import { readTraffic, type Traffic } from './traffic.service.js';

interface DeploymentTrafficKey {
  deploymentId: string;
  from: Date | null;
  to: Date | null;
}

export function createServingLoaders(batches: Batches) {
  return {
    deployment: batches.byId(Deployment),
    deploymentTraffic: batches.of(readTraffics),
    endpoint: batches.byId(Endpoint),
    /** PENDING and READY deployments, oldest first. */
    endpointDeployments: batches.of(readDeployments),
    endpointFollowed: batches.of(readFollowed),
  };
}

/** One statement per period. */
async function readTraffics(session: Session, keys: readonly DeploymentTrafficKey[]): Promise<Traffic[]> {
  const found = new Map<DeploymentTrafficKey, Traffic>();
  for (const [, same] of Map.groupBy(keys, ({ from, to }) => `${from?.getTime()} ${to?.getTime()}`)) {
    const traffic = await readTraffic(
      session,
      same.map(({ deploymentId }) => deploymentId),
      same[0]!,
    );
    same.forEach((key, i) => found.set(key, traffic[i]!));
  }
  return keys.map((key) => found.get(key)!);
}

async function readDeployments(session: Session, endpointIds: readonly string[]): Promise<Deployment[][]> {
  const where = { tenant: session.tenant, endpointId: { $in: [...endpointIds] }, status: { $in: ACTIVE } };
  const rows = await session.em.find(Deployment, where, { orderBy: { createdAt: 'ASC', id: 'ASC' } });
  const groups = Map.groupBy(rows, ({ endpointId }) => endpointId);
  return endpointIds.map((id) => groups.get(id) ?? []);
}
