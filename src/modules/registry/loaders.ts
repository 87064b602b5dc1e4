import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { type Batches, firstPages } from '../platform/index.js';
import { filesOf } from '../artifacts/index.js';
import {
  aliasesOf,
  newestApprovalsOf,
  newestEvaluationsOf,
  newestGatesOf,
  newestVersionIdsOf,
  transitionsOf,
} from './stores/version-details.js';

const MAX_VERSIONS_OF_LOGGED = 100;
const MAX_APPROVALS = 100;
const MAX_EVALUATIONS = 20;

export function createRegistryLoaders(batches: Batches) {
  return {
    /** The newest hundred versions of each. */
    loggedModelVersions: batches.of(readVersionsOfLogged),
    model: batches.byId(Model),
    modelAliases: batches.grouped(aliasesOf('model_id')),
    modelVersion: batches.byId(ModelVersion),
    /** First pages, highest number first. */
    modelVersions: batches.of(firstPages(ModelVersion, 'modelId', { field: 'version', direction: 'DESC' })),
    /** By model. */
    productionVersion: batches.of(readProductionVersions),
    versionAliases: batches.grouped(aliasesOf('model_version_id')),
    versionArtifacts: batches.grouped(filesOf('model_version_id')),
    /** The newest hundred decisions about each version. */
    versionApprovals: batches.grouped((session, ids) => newestApprovalsOf(session, ids, MAX_APPROVALS)),
    /** The newest twenty of each version. */
    versionEvaluations: batches.grouped((session, ids) => newestEvaluationsOf(session, ids, MAX_EVALUATIONS)),
    versionGates: batches.grouped(newestGatesOf),
    versionTransitions: batches.grouped(transitionsOf),
  };
}

async function readVersionsOfLogged(session: Session, loggedModelIds: readonly string[]): Promise<ModelVersion[][]> {
  const ids = await newestVersionIdsOf(session, loggedModelIds, MAX_VERSIONS_OF_LOGGED);
  const where = { tenant: session.tenant, id: { $in: ids } };
  const rows = await session.em.find(ModelVersion, where, { orderBy: { createdAt: 'DESC', id: 'DESC' } });
  const groups = Map.groupBy(rows, ({ loggedModelId }) => loggedModelId);
  return loggedModelIds.map((id) => groups.get(id) ?? []);
}

async function readProductionVersions(session: Session, modelIds: readonly string[]): Promise<(ModelVersion | null)[]> {
  const rows = await session.em.find(ModelVersion, {
    tenant: session.tenant,
    modelId: { $in: [...modelIds] },
    stage: 'PRODUCTION',
  });
  const found = new Map(rows.map((row) => [row.modelId, row]));
  return modelIds.map((id) => found.get(id) ?? null);
}
