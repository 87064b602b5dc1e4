// one file because it is the one list of what a request reads in bulk, each a line or a short function.
import type { EntityName, FilterQuery } from '@mikro-orm/core';
import DataLoader from 'dataloader';
import { Alert } from '../db/entities/monitoring/alert.entity.js';
import { RetrainingPolicy } from '../db/entities/monitoring/retraining-policy.entity.js';
import { Dataset } from '../db/entities/tracking/dataset.entity.js';
import { Experiment } from '../db/entities/tracking/experiment.entity.js';
import { Run } from '../db/entities/tracking/run.entity.js';
import { Model } from '../db/entities/registry/model.entity.js';
import { Event } from '../db/entities/platform/event.entity.js';
import { Webhook } from '../db/entities/platform/webhook.entity.js';
import type { WebhookDelivery } from '../db/entities/platform/webhook-delivery.entity.js';
import { ModelVersion } from '../db/entities/registry/model-version.entity.js';
import { Deployment } from '../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../db/entities/serving/endpoint.entity.js';
import type { Session } from '../db/database.js';
import type { ApprovalDecision, ApprovalStage } from '../domain/registry/approvals.js';
import type { EvaluationReport } from '../domain/registry/evaluation.js';
import type { Gate } from '../domain/registry/gate-policy.js';
import type { GateCheck } from '../domain/registry/gates.js';
import type { Stage } from '../domain/registry/stages.js';
import type { Page } from '../db/pagination.js';
import { sql } from '../db/sql.js';
import { firstDeliveries, type WebhookDeliveriesKey } from './platform/first-deliveries.js';
import { firstVersions } from './registry/first-versions.js';
import { firstChildRuns, type ChildRunsKey } from './tracking/child-runs.js';
import { logPages, type LogPageKey } from './tracking/run-log-pages.js';
import type { LogLine } from './tracking/run-log.service.js';
import { readHistories, type HistoryKey } from './tracking/metric-history.js';
import type { MetricRow } from './tracking/run.service.js';
import { readTraffic, type Traffic } from './serving/traffic.service.js';

type RunInSession = <T>(work: (session: Session) => Promise<T>) => Promise<T>;

export interface KeyValueRow {
  key: string;
  value: string;
}

export interface LatestMetricRow {
  key: string;
  value: number;
  step: number;
  loggedAt: Date;
}

export interface RunDatasetRow {
  runId: string;
  datasetId: string;
  role: 'TRAINING' | 'EVALUATION' | 'BATCH_INPUT';
}

export interface LoggedDatasetRow {
  id: string;
  direction: 'INPUT' | 'OUTPUT';
  name: string;
  digest: string;
  sourceType: string;
  source: string;
  schema: string | null;
  profile: string | null;
  tags: Record<string, string>;
  datasetId: string | null;
}

export interface ArtifactRow {
  id: string;
  path: string;
  sizeBytes: number;
  sha256: string;
  contentType: string;
  createdAt: Date;
}

export interface CheckpointRow {
  epoch: number;
  attempt: number;
  sizeBytes: number;
  sha256: string;
  createdAt: Date;
}

export interface ModelVersionsKey {
  modelId: string;
  first: number | null;
}

export interface DeploymentTrafficKey {
  deploymentId: string;
  from: Date | null;
  to: Date | null;
}

export interface GateResultRow {
  id: string;
  gate: Gate;
  passed: boolean;
  checks: GateCheck[];
  comparedWithId: string | null;
  createdAt: Date;
}

export interface StageTransitionRow {
  id: string;
  modelVersionId: string;
  fromStage: Stage;
  toStage: Stage;
  reason: string;
  override: boolean;
  createdBy: string;
  createdAt: Date;
}

export interface ModelAliasRow {
  id: string;
  modelId: string;
  modelVersionId: string;
  alias: string;
  createdBy: string;
  createdAt: Date;
  updatedAt: Date;
}

export interface ApprovalRow {
  id: string;
  modelVersionId: string;
  toStage: ApprovalStage;
  decision: ApprovalDecision;
  reason: string;
  createdBy: string;
  createdAt: Date;
}

export interface EvaluationRow {
  id: string;
  modelVersionId: string;
  baselineVersionId: string | null;
  datasetId: string;
  report: EvaluationReport;
  createdBy: string;
  createdAt: Date;
}

/** Per request: the reads of one turn become one statement per kind. */
export interface Loaders {
  dataset: DataLoader<string, Dataset | null>;
  deployment: DataLoader<string, Deployment | null>;
  /** Open alerts of a deployment, by kind. */
  deploymentAlerts: DataLoader<string, Alert[]>;
  deploymentTraffic: DataLoader<DeploymentTrafficKey, Traffic>;
  endpoint: DataLoader<string, Endpoint | null>;
  /** PENDING and READY ones, oldest first. */
  endpointDeployments: DataLoader<string, Deployment[]>;
  experiment: DataLoader<string, Experiment | null>;
  model: DataLoader<string, Model | null>;
  /** By alias. */
  modelAliases: DataLoader<string, ModelAliasRow[]>;
  modelVersion: DataLoader<string, ModelVersion | null>;
  /** First pages, highest number first. */
  modelVersions: DataLoader<ModelVersionsKey, Page<ModelVersion>>;
  /** By model. */
  productionVersion: DataLoader<string, ModelVersion | null>;
  /** By model. */
  retrainingPolicy: DataLoader<string, RetrainingPolicy | null>;
  /** Thinned. */
  metricHistory: DataLoader<HistoryKey, MetricRow[]>;
  run: DataLoader<string, Run | null>;
  runParams: DataLoader<string, KeyValueRow[]>;
  runTags: DataLoader<string, KeyValueRow[]>;
  runLatestMetrics: DataLoader<string, LatestMetricRow[]>;
  /** First pages, newest first. */
  childRuns: DataLoader<ChildRunsKey, Page<Run>>;
  runLogPages: DataLoader<LogPageKey, Page<LogLine>>;
  runDatasets: DataLoader<string, RunDatasetRow[]>;
  runLoggedDatasets: DataLoader<string, LoggedDatasetRow[]>;
  runArtifacts: DataLoader<string, ArtifactRow[]>;
  /** The newest hundred runs of each dataset. */
  datasetRuns: DataLoader<string, RunDatasetRow[]>;
  jobCheckpoints: DataLoader<string, CheckpointRow[]>;
  /** By alias. */
  versionAliases: DataLoader<string, ModelAliasRow[]>;
  versionArtifacts: DataLoader<string, ArtifactRow[]>;
  /** The newest hundred words about each version. */
  versionApprovals: DataLoader<string, ApprovalRow[]>;
  /** The newest twenty of each version. */
  versionEvaluations: DataLoader<string, EvaluationRow[]>;
  /** The newest result of each gate. */
  versionGates: DataLoader<string, GateResultRow[]>;
  versionTransitions: DataLoader<string, StageTransitionRow[]>;
  event: DataLoader<string, Event | null>;
  webhook: DataLoader<string, Webhook | null>;
  /** First pages, newest first. */
  webhookDeliveries: DataLoader<WebhookDeliveriesKey, Page<WebhookDelivery>>;
}

const LINEAGE = 'run_id as "runId", dataset_id as "datasetId", role';
const NEWEST_LINEAGE = `(select * from (
  select *, row_number() over (partition by tenant, dataset_id order by created_at desc, id desc) as n from run_dataset) numbered where n <= 100) newest`;
const LOGGED_DATASET = 'id, direction, name, digest, source_type as "sourceType", source, schema, profile, tags, dataset_id as "datasetId"';
const ARTIFACT = 'id, path, size_bytes::float8 as "sizeBytes", sha256, content_type as "contentType", created_at as "createdAt"';
const CHECKPOINT = 'epoch, attempt, size_bytes::float8 as "sizeBytes", sha256, created_at as "createdAt"';

const GATE_RESULT = 'id, gate, passed, checks, compared_with_id as "comparedWithId", created_at as "createdAt"';
const NEWEST_GATE_RESULTS = `(select * from (
  select *, row_number() over (partition by tenant, model_version_id, gate order by created_at desc, id desc) as n from gate_result) numbered where n = 1) newest`;
const STAGE_TRANSITION =
  'id, model_version_id as "modelVersionId", from_stage as "fromStage", to_stage as "toStage", reason, override, created_by as "createdBy", created_at as "createdAt"';
const MODEL_ALIAS =
  'id, model_id as "modelId", model_version_id as "modelVersionId", alias, created_by as "createdBy", created_at as "createdAt", updated_at as "updatedAt"';
const APPROVAL =
  'id, model_version_id as "modelVersionId", to_stage as "toStage", decision, reason, created_by as "createdBy", created_at as "createdAt"';
const NEWEST_APPROVALS = `(select * from (
  select *, row_number() over (partition by tenant, model_version_id order by created_at desc, id desc) as n from approval) numbered where n <= 100) newest`;
const EVALUATION =
  'id, model_version_id as "modelVersionId", baseline_version_id as "baselineVersionId", dataset_id as "datasetId", report, created_by as "createdBy", created_at as "createdAt"';
const NEWEST_EVALUATIONS = `(select * from (
  select *, row_number() over (partition by tenant, model_version_id order by created_at desc, id desc) as n from evaluation) numbered where n <= 20) newest`;

export function createLoaders(run: RunInSession): Loaders {
  const byId = <T extends { id: string; tenant: string }>(entity: EntityName<T>) =>
    new DataLoader<string, T | null>((ids) =>
      run(async (session) => {
        const rows = (await session.em.find(entity, { id: { $in: [...ids] }, tenant: session.tenant } as unknown as FilterQuery<T>)) as T[];
        const found = new Map(rows.map((row) => [row.id, row]));
        return ids.map((id) => found.get(id) ?? null);
      }),
    );
  /** Rows of `columns` in `table` grouped by the column `owner`, in `order`. */
  const grouped = <Row>(table: string, owner: string, columns: string, order: string) =>
    new DataLoader<string, Row[]>((ids) =>
      run(async (session) => {
        const rows = await sql<Row & { owner_id: string }>(
          session.em,
          `select ${owner} as owner_id, ${columns} from ${table} where tenant = ? and ${owner} = any(?::uuid[]) order by ${order}`,
          [session.tenant, [...ids]],
        );
        const groups = Map.groupBy(rows, (row) => row.owner_id);
        return ids.map((id) => groups.get(id) ?? []);
      }),
    );
  return {
    dataset: byId(Dataset),
    deployment: byId(Deployment),
    deploymentAlerts: new DataLoader((ids) => run((session) => loadOpenAlerts(session, ids))),
    deploymentTraffic: new DataLoader((keys) => run((session) => loadTraffic(session, keys)), {
      cacheKeyFn: (key) => JSON.stringify(key) as never,
    }),
    endpoint: byId(Endpoint),
    endpointDeployments: new DataLoader((ids) => run((session) => loadDeployments(session, ids))),
    experiment: byId(Experiment),
    model: byId(Model),
    modelAliases: grouped<ModelAliasRow>('model_alias', 'model_id', MODEL_ALIAS, 'alias collate "C"'),
    modelVersion: byId(ModelVersion),
    modelVersions: new DataLoader((keys) => run((session) => loadFirstVersions(session, keys)), {
      cacheKeyFn: (key) => JSON.stringify(key) as never,
    }),
    productionVersion: new DataLoader((modelIds) => run((session) => loadProductionVersions(session, modelIds))),
    retrainingPolicy: new DataLoader((modelIds) => run((session) => loadPolicies(session, modelIds))),
    event: byId(Event),
    webhook: byId(Webhook),
    webhookDeliveries: new DataLoader((keys) => run((session) => firstDeliveries(session, keys)), {
      cacheKeyFn: (key) => JSON.stringify(key) as never,
    }),
    metricHistory: new DataLoader((keys) => run((session) => readHistories(session, keys)), {
      cacheKeyFn: (key) => JSON.stringify(key) as never,
    }),
    run: byId(Run),
    runParams: grouped<KeyValueRow>('run_param', 'run_id', 'key, value', 'key'),
    runTags: grouped<KeyValueRow>('run_tag', 'run_id', 'key, value', 'key'),
    childRuns: new DataLoader((keys) => run((session) => firstChildRuns(session, keys)), {
      cacheKeyFn: (key) => JSON.stringify(key) as never,
    }),
    runLoggedDatasets: grouped<LoggedDatasetRow>('logged_dataset', 'run_id', LOGGED_DATASET, 'created_at, id'),
    runLogPages: new DataLoader((keys) => run((session) => logPages(session, keys)), {
      cacheKeyFn: (key) => JSON.stringify(key) as never,
    }),
    runDatasets: grouped<RunDatasetRow>('run_dataset', 'run_id', LINEAGE, 'created_at, id'),
    runArtifacts: grouped<ArtifactRow>('artifact', 'run_id', ARTIFACT, 'path'),
    datasetRuns: grouped<RunDatasetRow>(NEWEST_LINEAGE, 'dataset_id', LINEAGE, 'created_at desc, id desc'),
    jobCheckpoints: grouped<CheckpointRow>('checkpoint', 'job_id', CHECKPOINT, 'epoch desc, attempt desc'),
    versionAliases: grouped<ModelAliasRow>('model_alias', 'model_version_id', MODEL_ALIAS, 'alias collate "C"'),
    versionArtifacts: grouped<ArtifactRow>('artifact', 'model_version_id', ARTIFACT, 'path'),
    versionApprovals: grouped<ApprovalRow>(NEWEST_APPROVALS, 'model_version_id', APPROVAL, 'created_at desc, id desc'),
    versionEvaluations: grouped<EvaluationRow>(NEWEST_EVALUATIONS, 'model_version_id', EVALUATION, 'created_at desc, id desc'),
    versionGates: grouped<GateResultRow>(NEWEST_GATE_RESULTS, 'model_version_id', GATE_RESULT, 'gate'),
    versionTransitions: grouped<StageTransitionRow>('stage_transition', 'model_version_id', STAGE_TRANSITION, 'created_at desc, id desc'),
    runLatestMetrics: grouped<LatestMetricRow>(
      'metric_latest',
      'run_id',
      'key, value, step::float8 as step, logged_at as "loggedAt"',
      'key',
    ),
  };
}

/** One statement per period. */
async function loadTraffic(session: Session, keys: readonly DeploymentTrafficKey[]): Promise<Traffic[]> {
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

async function loadDeployments(session: Session, endpointIds: readonly string[]): Promise<Deployment[][]> {
  const where = { tenant: session.tenant, endpointId: { $in: [...endpointIds] }, status: { $in: ['PENDING' as const, 'READY' as const] } };
  const rows = await session.em.find(Deployment, where, { orderBy: { createdAt: 'ASC', id: 'ASC' } });
  const groups = Map.groupBy(rows, ({ endpointId }) => endpointId);
  return endpointIds.map((id) => groups.get(id) ?? []);
}

/** Two statements per page size. */
async function loadFirstVersions(session: Session, keys: readonly ModelVersionsKey[]): Promise<Page<ModelVersion>[]> {
  const found = new Map<ModelVersionsKey, Page<ModelVersion>>();
  for (const [first, same] of Map.groupBy(keys, (key) => key.first)) {
    const pages = await firstVersions(
      session,
      same.map(({ modelId }) => modelId),
      first,
    );
    same.forEach((key, i) => found.set(key, pages[i]!));
  }
  return keys.map((key) => found.get(key)!);
}

async function loadOpenAlerts(session: Session, deploymentIds: readonly string[]): Promise<Alert[][]> {
  const where = { tenant: session.tenant, deploymentId: { $in: [...deploymentIds] }, status: 'OPEN' as const };
  const groups = Map.groupBy(await session.em.find(Alert, where, { orderBy: { kind: 'ASC' } }), ({ deploymentId }) => deploymentId);
  return deploymentIds.map((id) => groups.get(id) ?? []);
}

async function loadPolicies(session: Session, modelIds: readonly string[]): Promise<(RetrainingPolicy | null)[]> {
  const rows = await session.em.find(RetrainingPolicy, { tenant: session.tenant, modelId: { $in: [...modelIds] } });
  const found = new Map(rows.map((row) => [row.modelId, row]));
  return modelIds.map((id) => found.get(id) ?? null);
}

async function loadProductionVersions(session: Session, modelIds: readonly string[]): Promise<(ModelVersion | null)[]> {
  const rows = await session.em.find(ModelVersion, { tenant: session.tenant, modelId: { $in: [...modelIds] }, stage: 'PRODUCTION' });
  const found = new Map(rows.map((row) => [row.modelId, row]));
  return modelIds.map((id) => found.get(id) ?? null);
}
