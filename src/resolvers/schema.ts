import 'reflect-metadata';
import type { GraphQLSchema } from 'graphql';
import { buildSchema, type NonEmptyArray } from 'type-graphql';
import { AlertEventResolver, AlertResolver, DeploymentAlertsResolver } from './alerts/alert.resolver.js';
import { GroundTruthResolver } from './monitoring/ground-truth.resolver.js';
import { MonitoringResolver } from './monitoring/monitoring.resolver.js';
import { ModelRetrainingResolver, RetrainingResolver } from './monitoring/retraining.resolver.js';
import { BatchInferenceResolver } from './serving/batch-inference.resolver.js';
import { DeploymentResolver } from './serving/deployment.resolver.js';
import { EndpointResolver } from './serving/endpoint.resolver.js';
import { PredictResolver } from './serving/predict.resolver.js';
import { AccessTokenResolver } from './platform/access-token.resolver.js';
import { AuditLogResolver } from './platform/audit-log.resolver.js';
import { ArtifactResolver, RunFilesResolver } from './artifacts/artifact.resolver.js';
import { DatasetResolver } from './datasets/dataset.resolver.js';
import { TrainingResolver } from './training/training.resolver.js';
import { ExperimentResolver } from './experiments/experiment.resolver.js';
import { EventResolver } from './platform/event.resolver.js';
import { meterSchema } from './answer-meter.js';
import { guardSchema } from './guard.js';
import { JobResolver } from './jobs/job.resolver.js';
import { LoggedDatasetResolver, RunDatasetsResolver } from './experiments/run-dataset.resolver.js';
import { RunLifecycleResolver } from './experiments/run-lifecycle.resolver.js';
import { UploadResolver } from './uploads/upload.resolver.js';
import { GarbageResolver } from './garbage/garbage.resolver.js';
import { RunLogResolver } from './experiments/run-log.resolver.js';
import { LineageResolver } from './lineage/lineage.resolver.js';
import {
  LoggedModelMetricResolver,
  LoggedModelResolver,
  RunLoggedModelsResolver,
} from './logged-models/logged-model.resolver.js';
import {
  LoggedModelVersionsResolver,
  VersionOriginResolver,
  VersionSourceResolver,
} from './registry/version-source.resolver.js';
import { ArchiveResolver } from './exchange/archive.resolver.js';
import { MirrorResolver } from './exchange/mirror.resolver.js';
import { MlflowImportResolver } from './exchange/mlflow-import.resolver.js';
import { RunAnalysisResolver } from './experiments/run-analysis.resolver.js';
import {
  ComparedDatasetResolver,
  ComparedMetricResolver,
  CurveSeriesResolver,
  GroupComparisonResolver,
  RunComparisonResolver,
} from './experiments/run-comparison.resolver.js';
import { RunResolver } from './experiments/run.resolver.js';
import { ApprovalResolver, VersionApprovalsResolver } from './registry/approval.resolver.js';
import { GatePolicyResolver, GateResultResolver } from './registry/gate-policy.resolver.js';
import { RegistryTagResolver } from './registry/registry-tag.resolver.js';
import { CommentResolver } from './registry/comment.resolver.js';
import { AliasResolver, ModelAliasesResolver, VersionAliasesResolver } from './registry/alias.resolver.js';
import { ConversionResolver } from './registry/conversion.resolver.js';
import { EvaluationResolver } from './evaluation/evaluation.resolver.js';
import { JobModelVersionResolver, ModelVersionResolver } from './registry/model-version.resolver.js';
import { ModelResolver, StageTransitionResolver } from './registry/model.resolver.js';
import { ReleaseResolver } from './evaluation/release.resolver.js';
import { StageResolver } from './registry/stage.resolver.js';
import { WebhookDeliveryResolver, WebhookResolver } from './platform/webhook.resolver.js';

// A new resolver is listed here once; the guard then covers it.
const RESOLVERS: NonEmptyArray<Function> = [
  AccessTokenResolver,
  AlertEventResolver,
  AlertResolver,
  AliasResolver,
  DeploymentAlertsResolver,
  ModelRetrainingResolver,
  ApprovalResolver,
  ArtifactResolver,
  AuditLogResolver,
  BatchInferenceResolver,
  ComparedDatasetResolver,
  ComparedMetricResolver,
  CurveSeriesResolver,
  CommentResolver,
  ConversionResolver,
  DatasetResolver,
  DeploymentResolver,
  EndpointResolver,
  EvaluationResolver,
  EventResolver,
  ExperimentResolver,
  GroundTruthResolver,
  GroupComparisonResolver,
  GatePolicyResolver,
  GateResultResolver,
  GarbageResolver,
  JobModelVersionResolver,
  JobResolver,
  LineageResolver,
  LoggedModelMetricResolver,
  LoggedModelResolver,
  LoggedModelVersionsResolver,
  RunLoggedModelsResolver,
  VersionOriginResolver,
  VersionSourceResolver,
  ArchiveResolver,
  MirrorResolver,
  MlflowImportResolver,
  ModelAliasesResolver,
  ModelResolver,
  ModelVersionResolver,
  MonitoringResolver,
  PredictResolver,
  RegistryTagResolver,
  ReleaseResolver,
  RetrainingResolver,
  RunAnalysisResolver,
  RunComparisonResolver,
  LoggedDatasetResolver,
  RunDatasetsResolver,
  RunFilesResolver,
  RunLifecycleResolver,
  RunLogResolver,
  RunResolver,
  StageResolver,
  StageTransitionResolver,
  TrainingResolver,
  UploadResolver,
  WebhookDeliveryResolver,
  WebhookResolver,
  VersionAliasesResolver,
  VersionApprovalsResolver,
];

let built: Promise<GraphQLSchema> | null = null;

/** type-graphql demands one; here every subscription brings its own stream, because a replay cannot come from a bus. */
const NO_PUB_SUB = {
  publish: () => undefined,
  subscribe: () => {
    throw new Error('a subscription without `subscribe`');
  },
};

const ABOUT_ROOTS: Record<string, string> = {
  Query: 'Reads of the token’s tenant. Lists are connections: `first` and `after` page through them. Needs VIEWER.',
  Mutation:
    'Changes, one business action each, with one `input` and a payload of its own. Needs ENGINEER unless a ' +
    'field says otherwise.',
  Subscription:
    'Live logs over WebSocket (graphql-transport-ws). Whoever reconnects with the last `seq` as `after` gets ' +
    'every item exactly once. Needs VIEWER.',
};

function describeRoots(schema: GraphQLSchema): GraphQLSchema {
  for (const [name, text] of Object.entries(ABOUT_ROOTS)) Object.assign(schema.getType(name)!, { description: text });
  return schema;
}

/** The schema of the service, guarded. Built once per process: type-graphql's metadata is global. */
export function createSchema(): Promise<GraphQLSchema> {
  built ??= buildSchema({ resolvers: RESOLVERS, validate: false, emitSchemaFile: false, pubSub: NO_PUB_SUB })
    .then(describeRoots)
    .then(guardSchema)
    .then(meterSchema);
  return built;
}
