import { Alert } from '../../db/entities/alerts/alert.entity.js';
import { GroundTruth } from '../../db/entities/monitoring/ground-truth.entity.js';
import { RetrainingPolicy } from '../../db/entities/monitoring/retraining-policy.entity.js';
import type { Session } from '../../db/database.js';
import type { Batches } from '../platform/index.js';

export function createMonitoringLoaders(batches: Batches) {
  return {
    /** Open alerts of a deployment, by kind. */
    deploymentAlerts: batches.of(readOpenAlerts),
    /** Ground truths of a logged prediction, in the order of its rows. */
    groundTruths: batches.of(readTruths),
    /** By model. */
    retrainingPolicy: batches.of(readPolicies),
  };
}

async function readOpenAlerts(session: Session, deploymentIds: readonly string[]): Promise<Alert[][]> {
  const where = { tenant: session.tenant, deploymentId: { $in: [...deploymentIds] }, status: 'OPEN' as const };
  const groups = Map.groupBy(
    await session.em.find(Alert, where, { orderBy: { kind: 'ASC' } }),
    ({ deploymentId }) => deploymentId,
  );
  return deploymentIds.map((id) => groups.get(id) ?? []);
}

async function readTruths(session: Session, predictionIds: readonly string[]): Promise<GroundTruth[][]> {
  const where = { tenant: session.tenant, predictionId: { $in: [...predictionIds] } };
  const found = Map.groupBy(
    await session.em.find(GroundTruth, where, { orderBy: { rowIndex: 'ASC' } }),
    ({ predictionId }) => predictionId,
  );
  return predictionIds.map((id) => found.get(id) ?? []);
}

async function readPolicies(session: Session, modelIds: readonly string[]): Promise<(RetrainingPolicy | null)[]> {
  const rows = await session.em.find(RetrainingPolicy, { tenant: session.tenant, modelId: { $in: [...modelIds] } });
  const found = new Map(rows.map((row) => [row.modelId, row]));
  return modelIds.map((id) => found.get(id) ?? null);
}
