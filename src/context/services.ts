import { join } from 'node:path';
import type { Logger } from 'pino';
import { ownTokens } from '../adapters/auth/own-tokens.js';
import type { Config } from '../config.js';
import { ArchiveExportService } from '../services/exchange/archive-export.service.js';
import { ArchiveImportService } from '../services/exchange/archive-import.service.js';
import { MirrorService } from '../services/exchange/mirror.service.js';
import { MlflowImportService } from '../services/exchange/mlflow-import.service.js';
import { AlertService } from '../services/monitoring/alert.service.js';
import { GroundTruthService } from '../services/monitoring/ground-truth.service.js';
import { MonitoringService } from '../services/monitoring/monitoring.service.js';
import { RetrainingPolicyService } from '../services/monitoring/retraining-policy.service.js';
import { RetrainingService } from '../services/monitoring/retraining.service.js';
import { AccessTokenService } from '../services/platform/access-token.service.js';
import { AuditLogService } from '../services/platform/audit-log.service.js';
import { EventService } from '../services/platform/event.service.js';
import { JobService } from '../services/platform/job.service.js';
import { KnownTokens } from '../services/platform/known-tokens.js';
import { LiveFeeds } from '../services/platform/live-feed.js';
import { RetentionService } from '../services/platform/retention.service.js';
import { SigningKeys } from '../services/platform/signing-keys.js';
import { StagedObjects } from '../services/platform/staged-objects.js';
import { WebhookDeliveryService } from '../services/platform/webhook-delivery.service.js';
import { Waiting } from '../services/platform/waiting.js';
import { WebhookService } from '../services/platform/webhook.service.js';
import { AliasService } from '../services/registry/alias.service.js';
import { ApprovalService } from '../services/registry/approval.service.js';
import { CommentService } from '../services/registry/comment.service.js';
import { ConversionService } from '../services/registry/conversion.service.js';
import { EvaluationService } from '../services/registry/evaluation.service.js';
import { GateService } from '../services/registry/gate.service.js';
import { ModelVersionService } from '../services/registry/model-version.service.js';
import { ModelService } from '../services/registry/model.service.js';
import { RegistryTagService } from '../services/registry/registry-tag.service.js';
import { SourcedVersionService } from '../services/registry/sourced-version.service.js';
import { ReleaseService } from '../services/registry/release.service.js';
import { StageMoves } from '../services/registry/stage-moves.js';
import { StageService } from '../services/registry/stage.service.js';
import { ValidationService } from '../services/registry/validation.service.js';
import { VersionRemoval } from '../services/registry/version-removal.js';
import { VersionStorage } from '../services/registry/version-storage.js';
import type { Services } from '../services/services.js';
import { BatchInferenceService } from '../services/serving/batch-inference.service.js';
import { DeploymentRows } from '../services/serving/deployment-rows.js';
import { DeploymentService } from '../services/serving/deployment.service.js';
import { EndpointService } from '../services/serving/endpoint.service.js';
import { RolloutService } from '../services/serving/rollout.service.js';
import { LoggedPredictionService } from '../services/serving/logged-predictions.service.js';
import { Serving } from '../services/serving/serving.js';
import { ShadowService } from '../services/serving/shadow.service.js';
import { VersionFollowing } from '../services/serving/version-following.js';
import { ArtifactFolderService } from '../services/tracking/artifact-folder.service.js';
import { ArtifactService } from '../services/tracking/artifact.service.js';
import { DatasetService } from '../services/tracking/dataset.service.js';
import { DirectUploads } from '../services/tracking/direct-uploads.js';
import { ExperimentService } from '../services/tracking/experiment.service.js';
import { GarbageService } from '../services/tracking/garbage.service.js';
import { LineageService } from '../services/tracking/lineage.service.js';
import { LoggedModelService } from '../services/tracking/logged-model.service.js';
import { RunAnalysisService } from '../services/tracking/run-analysis.service.js';
import { RunArchiveService } from '../services/tracking/run-archive.service.js';
import { RunComparisonService } from '../services/tracking/run-comparison.service.js';
import { RunDatasetService } from '../services/tracking/run-dataset.service.js';
import { RunLifecycleService } from '../services/tracking/run-lifecycle.service.js';
import { RunLogService } from '../services/tracking/run-log.service.js';
import { RunSearchService } from '../services/tracking/run-search.service.js';
import { RunService } from '../services/tracking/run.service.js';
import { UploadService } from '../services/tracking/upload.service.js';
import { CheckpointService } from '../services/training/checkpoint.service.js';
import { TrainingService } from '../services/training/training.service.js';
import type { Implementations } from './implementations.js';

/** Every use case over the chosen implementations, and what answers predictions. */
export function createServices(
  config: Config,
  logger: Logger,
  implementations: Implementations,
): { services: Services; serving: Serving; tokens: KnownTokens } {
  const {
    db,
    live,
    queue,
    objects,
    metrics,
    files,
    backend,
    evaluator,
    importance,
    checkModel,
    converter,
    engine,
    backgroundEngine,
  } = implementations;
  const { webhookPolicy, webhookSender, importPolicy, connectMlflow, mirrorTarget } = implementations;
  const events = new EventService(db, live, logger);
  const waiting = new Waiting(live);
  const jobs = new JobService(live, queue, db, logger, waiting);
  const experiments = new ExperimentService();
  const runs = new RunService(live, experiments);
  const runSearch = new RunSearchService();
  const loggedModels = new LoggedModelService(experiments);
  const runLogs = new RunLogService(live);
  const staged = new StagedObjects(db, objects, logger);
  const directUploads = new DirectUploads(db, objects, staged, config.MAX_UPLOAD_BYTES);
  const uploads = new UploadService(db, objects, staged, directUploads, config.MAX_UPLOAD_BYTES);
  const artifacts = new ArtifactService(db, objects, staged, uploads, runs);
  const artifactFolders = new ArtifactFolderService({
    db,
    objects,
    staged,
    artifacts,
    uploads: directUploads,
    maxBytes: config.MAX_UPLOAD_BYTES,
  });
  const runArchive = new RunArchiveService({ objects, staged, artifacts, jobs });
  const runLifecycle = new RunLifecycleService(runs, runArchive);
  const allowedDirs = config.DATASET_DIRS;
  const datasets = new DatasetService({
    db,
    objects,
    staged,
    uploads,
    files,
    allowedDirs,
    maxBytes: config.MAX_UPLOAD_BYTES,
  });
  const checkpoints = new CheckpointService(objects, staged, jobs);
  const removal = new VersionRemoval(staged, live);
  const models = new ModelService(live, removal);
  const deploymentRows = new DeploymentRows(live, engine.name);
  const following = new VersionFollowing(deploymentRows);
  const versionStorage = new VersionStorage(db, live, objects, staged, artifacts, following, logger);
  const modelVersions = new ModelVersionService({
    db,
    live,
    objects,
    uploads,
    models,
    removal,
    storage: versionStorage,
    checkModel,
  });
  const gates = new GateService();
  const evaluations = new EvaluationService({
    live,
    jobs,
    objects,
    staged,
    artifacts,
    datasets,
    versions: modelVersions,
    gates,
    evaluator,
  });
  const validations = new ValidationService({
    live,
    jobs,
    datasets,
    versions: modelVersions,
    evaluations,
    gates,
    evaluator,
  });
  const training = {
    live,
    objects,
    staged,
    backend,
    runs,
    runLogs,
    datasets,
    artifacts,
    checkpoints,
    registrar: modelVersions,
  };
  const trainings = new TrainingService(db, jobs, training, join(config.DATA_DIR, 'work'));
  const alerts = new AlertService(live);
  const monitoring = new MonitoringService(db, alerts, logger, config.MONITORING_MIN_ROWS);
  const deployments = new DeploymentService(deploymentRows);
  const serving = new Serving({
    db,
    live,
    objects,
    logger,
    deployments,
    engine,
    backgroundEngine,
    predictDeadlineMs: config.PREDICT_DEADLINE_MS,
    observe: metrics,
  });
  const batch = { db, live, objects, staged, artifacts, datasets, jobs, files, models: serving.backgroundModels };
  const approvals = new ApprovalService(live, models, modelVersions);
  const stages = new StageService(live, models, modelVersions, gates, approvals, following);
  const conversions = new ConversionService({
    live,
    jobs,
    objects,
    staged,
    artifacts,
    datasets,
    files,
    models,
    versions: modelVersions,
    converter,
    checkModel,
    follower: following,
    automatic: config.PYTHON_PATH !== undefined,
  });
  const sourcedVersions = new SourcedVersionService({
    db,
    objects,
    folders: artifactFolders,
    models,
    versions: modelVersions,
    conversions,
  });
  const runDatasets = new RunDatasetService();
  const aliases = new AliasService(live, models, following);
  const registryTags = new RegistryTagService(live, models, modelVersions);
  const mlflowImports = new MlflowImportService({
    ...{
      jobs,
      experiments,
      runs,
      lifecycle: runLifecycle,
      datasets: runDatasets,
      loggedModels,
      folders: artifactFolders,
    },
    ...{ models, modelVersions, sourcedVersions, registryTags, aliases, stages, policy: importPolicy },
    connect: connectMlflow,
  });
  const signingKeys = new SigningKeys(db, ownTokens);
  const tokens = new KnownTokens({
    db,
    live,
    logger,
    codec: ownTokens,
    keys: signingKeys,
    others: implementations.tokens,
  });
  const endpoints = new EndpointService(deploymentRows, following);
  const services: Services = {
    accessTokens: new AccessTokenService(db, live, signingKeys, ownTokens),
    alerts,
    aliases,
    approvals,
    comments: new CommentService(live, models, modelVersions),
    registryTags,
    archiveExports: new ArchiveExportService({ objects, staged, jobs, artifacts, experiments }),
    archiveImports: new ArchiveImportService({ db, objects, staged, jobs, artifacts, experiments, uploads }),
    artifactFolders,
    artifacts,
    auditLog: new AuditLogService(),
    batchInference: new BatchInferenceService(batch),
    datasets,
    deployments,
    directUploads,
    endpoints,
    evaluations,
    events,
    experiments,
    feeds: new LiveFeeds(live),
    garbage: new GarbageService({ objects, staged, jobs }),
    gates,
    groundTruth: new GroundTruthService(db, serving.traffic),
    jobs,
    loggedPredictions: new LoggedPredictionService(db, serving.traffic),
    loggedModels,
    mirror: new MirrorService(db, logger, mirrorTarget),
    mlflowImports,
    models,
    modelVersions,
    monitoring,
    predictions: serving.predictions,
    releases: new ReleaseService({ live, jobs, stages, evaluations, validations, gates }),
    retention: new RetentionService(db, {
      eventDays: config.EVENT_LOG_DAYS,
      trafficDays: config.TRAFFIC_LOG_DAYS,
      auditDays: config.AUDIT_LOG_DAYS,
    }),
    retraining: new RetrainingService(db, live, trainings, datasets, logger),
    retrainingPolicies: new RetrainingPolicyService(),
    rollouts: new RolloutService(db, waiting, endpoints, deployments),
    runArchive,
    runDatasets,
    runLifecycle,
    runLogs,
    lineage: new LineageService(),
    runAnalyses: new RunAnalysisService(runSearch, importance),
    runComparisons: new RunComparisonService(),
    runs,
    runSearch,
    shadows: new ShadowService(live, deployments, gates),
    conversions,
    sourcedVersions,
    staged,
    stageMoves: new StageMoves(modelVersions, stages),
    stages,
    traffic: serving.traffic,
    trainings,
    uploads,
    validations,
    versionStorage,
    webhookDeliveries: new WebhookDeliveryService(db, live, webhookSender, logger, {
      concurrency: config.WEBHOOK_CONCURRENCY,
      backoffMs: config.WEBHOOK_BACKOFF_MS,
      keepDays: config.WEBHOOK_LOG_DAYS,
    }),
    waiting,
    webhooks: new WebhookService(live, webhookPolicy),
  };
  return { services, serving, tokens };
}
