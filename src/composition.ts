import { join } from 'node:path';
import type { Logger } from 'pino';
import { ownTokens } from './adapters/auth/own-tokens.js';
import type { Config } from './config.js';
import {
  ArchiveExportService,
  ArchiveImportService,
  MirrorService,
  MlflowImportService,
} from './modules/exchange/index.js';
import { AlertService } from './modules/alerts/index.js';
import {
  GroundTruthService,
  MonitoringService,
  RetrainingPolicyService,
  RetrainingService,
} from './modules/monitoring/index.js';
import {
  AccessTokenService,
  AuditLogService,
  EventService,
  KnownTokens,
  LiveFeeds,
  RetentionService,
  SigningKeys,
  WebhookDeliveryService,
  Waiting,
  WebhookService,
} from './modules/platform/index.js';
import { JobService } from './modules/jobs/index.js';
import { StagedObjects, DirectUploads, UploadService } from './modules/uploads/index.js';
import {
  AliasService,
  ApprovalService,
  CommentService,
  ConversionService,
  GateService,
  ModelVersionService,
  ModelService,
  RegistryTagService,
  SourcedVersionService,
  StageMoves,
  StageService,
  VersionRemoval,
  VersionStorage,
} from './modules/registry/index.js';
import { EvaluationService, ReleaseService, ValidationService } from './modules/evaluation/index.js';
import type { Services } from './services.js';
import {
  BatchInferenceService,
  DeploymentRows,
  DeploymentService,
  EndpointService,
  RolloutService,
  LoggedPredictionService,
  Serving,
  ShadowService,
  VersionFollowing,
} from './modules/serving/index.js';
import { ArtifactFolderService, ArtifactService, RunArchiveService } from './modules/artifacts/index.js';
import { DatasetService } from './modules/datasets/index.js';
import {
  ExperimentService,
  RunAnalysisService,
  RunComparisonService,
  RunDatasetService,
  RunLifecycleService,
  RunLogService,
  RunSearchService,
  RunService,
} from './modules/experiments/index.js';
import { GarbageService } from './modules/garbage/index.js';
import { LineageService } from './modules/lineage/index.js';
import { LoggedModelService } from './modules/logged-models/index.js';
import { CheckpointService, TrainingService } from './modules/training/index.js';
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
