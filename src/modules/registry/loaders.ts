import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import type { ApprovalDecision, ApprovalStage } from './rules/approvals.js';
import type { EvaluationReport, Gate } from '../model-quality/index.js';
import type { GateCheck } from './rules/gates.js';
import type { Stage } from './rules/stages.js';
import { type Batches, newest, firstPages } from '../platform/index.js';
import { ARTIFACT_COLUMNS, type ArtifactRow } from '../artifacts/index.js';

interface GateResultRow {
  id: string;
  gate: Gate;
  passed: boolean;
  checks: GateCheck[];
  comparedWithId: string | null;
  createdAt: Date;
}

interface StageTransitionRow {
  id: string;
  modelVersionId: string;
  fromStage: Stage;
  toStage: Stage;
  reason: string;
  override: boolean;
  createdBy: string;
  createdAt: Date;
}

interface ModelAliasRow {
  id: string;
  modelId: string;
  modelVersionId: string;
  alias: string;
  createdBy: string;
  createdAt: Date;
  updatedAt: Date;
}

interface ApprovalRow {
  id: string;
  modelVersionId: string;
  toStage: ApprovalStage;
  decision: ApprovalDecision;
  reason: string;
  createdBy: string;
  createdAt: Date;
}

interface EvaluationRow {
  id: string;
  modelVersionId: string;
  baselineVersionId: string | null;
  datasetId: string;
  report: EvaluationReport;
  createdBy: string;
  createdAt: Date;
}

const GATE_RESULT = 'id, gate, passed, checks, compared_with_id as "comparedWithId", created_at as "createdAt"';
const STAGE_TRANSITION =
  'id, model_version_id as "modelVersionId", from_stage as "fromStage", to_stage as "toStage", reason, ' +
  'override, created_by as "createdBy", created_at as "createdAt"';
const MODEL_ALIAS =
  'id, model_id as "modelId", model_version_id as "modelVersionId", alias, created_by as "createdBy", ' +
  'created_at as "createdAt", updated_at as "updatedAt"';
const APPROVAL =
  'id, model_version_id as "modelVersionId", to_stage as "toStage", decision, reason, created_by as ' +
  '"createdBy", created_at as "createdAt"';
const EVALUATION =
  'id, model_version_id as "modelVersionId", baseline_version_id as "baselineVersionId", dataset_id as ' +
  '"datasetId", report, created_by as "createdBy", created_at as "createdAt"';

const NEWEST_FIRST = 'created_at desc, id desc';
const BY_ALIAS = 'alias collate "C"';
const OF_VERSION = 'model_version_id';

export function createRegistryLoaders(batches: Batches) {
  return {
    /** The newest hundred versions of each. */
    loggedModelVersions: batches.of(readVersionsOfLogged),
    model: batches.byId(Model),
    modelAliases: batches.grouped<ModelAliasRow>('model_alias', 'model_id', MODEL_ALIAS, BY_ALIAS),
    modelVersion: batches.byId(ModelVersion),
    /** First pages, highest number first. */
    modelVersions: batches.of(firstPages(ModelVersion, 'modelId', { field: 'version', direction: 'DESC' })),
    /** By model. */
    productionVersion: batches.of(readProductionVersions),
    versionAliases: batches.grouped<ModelAliasRow>('model_alias', OF_VERSION, MODEL_ALIAS, BY_ALIAS),
    versionArtifacts: batches.grouped<ArtifactRow>('artifact', OF_VERSION, ARTIFACT_COLUMNS, 'path'),
    /** The newest hundred words about each version. */
    versionApprovals: batches.grouped<ApprovalRow>(
      newest('approval', OF_VERSION, 100),
      OF_VERSION,
      APPROVAL,
      NEWEST_FIRST,
    ),
    /** The newest twenty of each version. */
    versionEvaluations: batches.grouped<EvaluationRow>(
      newest('evaluation', OF_VERSION, 20),
      OF_VERSION,
      EVALUATION,
      NEWEST_FIRST,
    ),
    /** The newest result of each gate. */
    versionGates: batches.grouped<GateResultRow>(
      newest('gate_result', `${OF_VERSION}, gate`, 1),
      OF_VERSION,
      GATE_RESULT,
      'gate',
    ),
    versionTransitions: batches.grouped<StageTransitionRow>(
      'stage_transition',
      OF_VERSION,
      STAGE_TRANSITION,
      NEWEST_FIRST,
    ),
  };
}

async function readVersionsOfLogged(session: Session, loggedModelIds: readonly string[]): Promise<ModelVersion[][]> {
  const { tenant } = session;
  const table = newest('model_version', 'logged_model_id', 100);
  const ranked = await sql<{ id: string }>(
    session.em,
    `select id from ${table} where tenant = ? and logged_model_id = any(?::uuid[])`,
    [tenant, [...loggedModelIds]],
  );
  const where = { tenant, id: { $in: ranked.map(({ id }) => id) } };
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
