import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { Session } from '../../db/database.js';

/** The deployments that may be variants, with their present weights. */
export function liveOf({ em, tenant }: Session, endpointId: string): Promise<Deployment[]> {
  const where = { tenant, endpointId, mode: 'LIVE' as const, status: 'READY' as const };
  return em.find(Deployment, where, { orderBy: { createdAt: 'ASC', id: 'ASC' }, refresh: true });
}
