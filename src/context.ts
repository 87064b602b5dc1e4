import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Registry } from '@prometheus-io/client';
import type { Logger } from 'pino';
import { JwksTokenVerifier, SecretTokenVerifier, type TokenVerifier } from './adapters/auth/token-verifier.js';
import { ServiceMetrics } from './adapters/metrics/service-metrics.js';
import type { JobQueue } from './adapters/job-queue/port.js';
import type { LiveEvents } from './adapters/live-events/port.js';
import type { ObjectStore } from './adapters/object-store/port.js';
import { HttpMlflowServer } from './adapters/mlflow-server/http-mlflow-server.js';
import { HttpWebhookSender } from './adapters/webhook-sender/http-webhook-sender.js';
import type { Config } from './config.js';
import { Database } from './db/database.js';
import { checkAllowedHosts } from './domain/platform/webhook-url.js';
import { AlertService } from './services/monitoring/alert.service.js';
import { MonitoringService } from './services/monitoring/monitoring.service.js';
import { RetrainingService } from './services/monitoring/retraining.service.js';
import { RetrainingPolicyService } from './services/monitoring/retraining-policy.service.js';
import type { InferenceEngine } from './inference/port.js';
import { LazyEngine } from './inference/lazy-engine.js';
import { OnnxEngine } from './inference/onnx/onnx-engine.js';
import { BatchInferenceService } from './services/serving/batch-inference.service.js';
import { DeploymentRows } from './services/serving/deployment-rows.js';
import { DeploymentService } from './services/serving/deployment.service.js';
import { EndpointService } from './services/serving/endpoint.service.js';
import { Serving } from './services/serving/serving.js';
import { StageFollowing } from './services/serving/stage-following.js';
import { ShadowService } from './services/serving/shadow.service.js';
import { AuditLogService } from './services/platform/audit-log.service.js';
import { readFigures } from './services/platform/figures.js';
import { EventService } from './services/platform/event.service.js';
import { ExperimentService } from './services/tracking/experiment.service.js';
import { JobService } from './services/platform/job.service.js';
import { LiveFeeds } from './services/platform/live-feed.js';
import { WebhookDeliveryService } from './services/platform/webhook-delivery.service.js';
import { WebhookService } from './services/platform/webhook.service.js';
import { duckDbDatasets } from './features/duckdb-datasets.js';
import { ArtifactFolderService } from './services/tracking/artifact-folder.service.js';
import { ArtifactService } from './services/tracking/artifact.service.js';
import { DatasetService } from './services/tracking/dataset.service.js';
import { CheckpointService } from './services/training/checkpoint.service.js';
import { TrainingService } from './services/training/training.service.js';
import { StagedObjects } from './services/platform/staged-objects.js';
import { LocalTrainingBackend } from './training/local-backend.js';
import { ImportanceApart } from './evaluation/importance-apart.js';
import { LocalEvaluator } from './evaluation/local-evaluator.js';
import { checkModel } from './inference/model-check.js';
import { RegistryTagService } from './services/registry/registry-tag.service.js';
import { CommentService } from './services/registry/comment.service.js';
import { ApprovalService } from './services/registry/approval.service.js';
import { AliasService } from './services/registry/alias.service.js';
import { EvaluationService } from './services/registry/evaluation.service.js';
import { GateService } from './services/registry/gate.service.js';
import { ModelService } from './services/registry/model.service.js';
import { ModelVersionService } from './services/registry/model-version.service.js';
import { PythonModelConverter } from './adapters/model-converter/python-model-converter.js';
import { ConversionService } from './services/registry/conversion.service.js';
import { SourcedVersionService } from './services/registry/sourced-version.service.js';
import { StageMoves } from './services/registry/stage-moves.js';
import { StageService } from './services/registry/stage.service.js';
import { ValidationService } from './services/registry/validation.service.js';
import { VersionRemoval } from './services/registry/version-removal.js';
import { VersionStorage } from './services/registry/version-storage.js';
import { GarbageService } from './services/tracking/garbage.service.js';
import { RunArchiveService } from './services/tracking/run-archive.service.js';
import { RunDatasetService } from './services/tracking/run-dataset.service.js';
import { RunLifecycleService } from './services/tracking/run-lifecycle.service.js';
import { LoggedModelService } from './services/tracking/logged-model.service.js';
import { RunLogService } from './services/tracking/run-log.service.js';
import { MlflowImportService } from './services/exchange/mlflow-import.service.js';
import { LineageService } from './services/tracking/lineage.service.js';
import { RunAnalysisService } from './services/tracking/run-analysis.service.js';
import { RunComparisonService } from './services/tracking/run-comparison.service.js';
import { RunSearchService } from './services/tracking/run-search.service.js';
import { RunService } from './services/tracking/run.service.js';
import type { Services } from './services/services.js';
import { DirectUploads } from './services/tracking/direct-uploads.js';
import { UploadService } from './services/tracking/upload.service.js';

/** Everything a process of the service is made of. */
export interface AppContext {
  config: Config;
  logger: Logger;
  db: Database;
  live: LiveEvents;
  queue: JobQueue;
  objects: ObjectStore;
  tokens: TokenVerifier;
  services: Services;
  serving: Serving;
  metrics: ServiceMetrics;
  /** Adds what this process counts to what /metrics shows. */
  registerMetrics(registry: Registry, websockets: { sockets(): number; running(): number }): void;
  close(): Promise<void>;
}

export interface ContextOptions {
  databaseUrl: string;
  onStatement?: (sql: string, params: readonly unknown[]) => void;
}

/** Longer than any step between two statements of one transaction. */
const MIN_IDLE_IN_TRANSACTION_MS = 5_000;

const BACKGROUND_HOSTS = 2;

/** The composition root: the only place that chooses implementations. */
export async function createContext(config: Config, logger: Logger, options: ContextOptions): Promise<AppContext> {
  const webhookPolicy = {
    allowHttp: config.WEBHOOK_ALLOW_HTTP,
    allowedHosts: checkAllowedHosts('WEBHOOK_ALLOWED_HOSTS', config.WEBHOOK_ALLOWED_HOSTS),
  };
  const db = await Database.connect({
    url: options.databaseUrl,
    poolSize: config.DATABASE_POOL_SIZE,
    idleInTransactionTimeoutMs: Math.max(MIN_IDLE_IN_TRANSACTION_MS, config.JOB_HEARTBEAT_TIMEOUT_MS),
    onStatement: options.onStatement,
  });
  await db.migrate();
  const live = await createLiveEvents(config, options.databaseUrl, logger);
  const queue = await createJobQueue(config, options.databaseUrl, logger);
  const objects = await createObjectStore(config);
  const tokens = await createTokenVerifier(config);

  const metrics = new ServiceMetrics();
  const events = new EventService(db, live, logger);
  const jobs = new JobService(live, queue, db, logger);
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
    files: duckDbDatasets,
    allowedDirs,
    maxBytes: config.MAX_UPLOAD_BYTES,
  });
  const backend = new LocalTrainingBackend(config.SYSTEM_METRICS_INTERVAL_MS);
  const checkpoints = new CheckpointService(objects, staged, jobs);
  const removal = new VersionRemoval(staged, live);
  const models = new ModelService(live, removal);
  const versionStorage = new VersionStorage(db, live, objects, staged, artifacts, logger);
  const modelVersions = new ModelVersionService({ db, objects, uploads, models, removal, storage: versionStorage, checkModel });
  const gates = new GateService();
  const evaluator = new LocalEvaluator();
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
  const validations = new ValidationService({ live, jobs, datasets, versions: modelVersions, evaluations, gates, evaluator });
  const training = { live, objects, staged, backend, runs, runLogs, datasets, artifacts, checkpoints, registrar: modelVersions };
  const trainings = new TrainingService(db, jobs, training, join(config.DATA_DIR, 'work'));
  const alerts = new AlertService(live);
  const monitoring = new MonitoringService(db, alerts, logger, config.MONITORING_MIN_ROWS);
  const engine = createEngine(config, config.INFERENCE_HOSTS);
  // Two: a shadow that hangs leaves one for the others.
  const backgroundEngine = createEngine(config, BACKGROUND_HOSTS);
  const deploymentRows = new DeploymentRows(live, engine.name);
  const deployments = new DeploymentService(deploymentRows);
  const following = new StageFollowing(deploymentRows);
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
  const batch = { db, live, objects, staged, artifacts, datasets, jobs, files: duckDbDatasets, models: serving.backgroundModels };
  const approvals = new ApprovalService(live, models, modelVersions);
  const stages = new StageService(live, models, modelVersions, gates, approvals, following);
  const converter = new PythonModelConverter({
    pythonPath: config.PYTHON_PATH,
    sandbox: config.CONVERSION_SANDBOX,
    maxMemoryBytes: config.CONVERSION_MEMORY_BYTES,
  });
  const conversions = new ConversionService({
    live,
    jobs,
    objects,
    staged,
    artifacts,
    datasets,
    files: duckDbDatasets,
    versions: modelVersions,
    converter,
    checkModel,
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
  const importPolicy = {
    allowHttp: config.MLFLOW_IMPORT_ALLOW_HTTP,
    allowedHosts: checkAllowedHosts('MLFLOW_IMPORT_ALLOWED_HOSTS', config.MLFLOW_IMPORT_ALLOWED_HOSTS),
  };
  const runDatasets = new RunDatasetService();
  const aliases = new AliasService(live, models);
  const registryTags = new RegistryTagService(live, models, modelVersions);
  const mlflowImports = new MlflowImportService({
    ...{ jobs, experiments, runs, lifecycle: runLifecycle, datasets: runDatasets, loggedModels, folders: artifactFolders },
    ...{ models, modelVersions, sourcedVersions, registryTags, aliases, stages, policy: importPolicy },
    connect: (trackingUri, credentials, signal) => new HttpMlflowServer({ trackingUri, credentials, signal, policy: importPolicy }),
  });
  const services: Services = {
    alerts,
    aliases,
    approvals,
    comments: new CommentService(live, models, modelVersions),
    registryTags,
    artifactFolders,
    artifacts,
    auditLog: new AuditLogService(),
    batchInference: new BatchInferenceService(batch),
    datasets,
    deployments,
    directUploads,
    endpoints: new EndpointService(deploymentRows, following),
    evaluations,
    events,
    experiments,
    feeds: new LiveFeeds(live),
    garbage: new GarbageService({ objects, staged, jobs }),
    gates,
    jobs,
    loggedModels,
    mlflowImports,
    models,
    modelVersions,
    monitoring,
    predictions: serving.predictions,
    retraining: new RetrainingService(db, live, trainings, datasets, logger),
    retrainingPolicies: new RetrainingPolicyService(),
    runArchive,
    runDatasets,
    runLifecycle,
    runLogs,
    lineage: new LineageService(),
    runAnalyses: new RunAnalysisService(runSearch, new ImportanceApart()),
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
    webhookDeliveries: new WebhookDeliveryService(db, live, new HttpWebhookSender({ policy: webhookPolicy }), logger, {
      concurrency: config.WEBHOOK_CONCURRENCY,
      backoffMs: config.WEBHOOK_BACKOFF_MS,
      keepDays: config.WEBHOOK_LOG_DAYS,
    }),
    webhooks: new WebhookService(live, webhookPolicy),
  };

  return {
    config,
    logger,
    db,
    live,
    queue,
    objects,
    tokens,
    services,
    serving,
    metrics,
    registerMetrics: (registry, websockets) =>
      metrics.register(registry, {
        figures: () => readFigures(db),
        engines: { online: () => engine.stats(), background: () => backgroundEngine.stats() },
        pool: () => db.poolUse(),
        dropped: () => serving.dropped(),
        sockets: () => websockets.sockets(),
        subscriptions: () => websockets.running(),
      }),
    close: async () => {
      await serving.stop();
      await queue.close();
      // What the last jobs have begun and told.
      await versionStorage.idle();
      await events.stop();
      await live.close();
      await db.close();
    },
  };
}

function createEngine(config: Config, hosts: number): InferenceEngine {
  return new LazyEngine('onnx', () => new OnnxEngine({ hosts, maxResidentBytes: config.INFERENCE_MEMORY_BYTES }));
}

async function createLiveEvents(config: Config, databaseUrl: string, logger: Logger): Promise<LiveEvents> {
  if (config.REDIS_URL) {
    const { RedisLiveEvents } = await import('./adapters/live-events/redis-live-events.js');
    return RedisLiveEvents.connect(config.REDIS_URL, logger);
  }
  const { PostgresLiveEvents } = await import('./adapters/live-events/postgres-live-events.js');
  const live = new PostgresLiveEvents(databaseUrl, logger);
  await live.connect();
  return live;
}

async function createJobQueue(config: Config, databaseUrl: string, logger: Logger): Promise<JobQueue> {
  const { createPostgresJobQueue, createRedisJobQueue } = await import('./adapters/job-queue/bullmq-job-queue.js');
  return config.REDIS_URL ? createRedisJobQueue(config.REDIS_URL, logger) : createPostgresJobQueue(databaseUrl, logger);
}

async function createObjectStore(config: Config): Promise<ObjectStore> {
  const store = await chooseObjectStore(config);
  await store.prepare();
  return store;
}

async function chooseObjectStore(config: Config): Promise<ObjectStore> {
  if (config.S3_ENDPOINT && config.S3_ACCESS_KEY && config.S3_SECRET_KEY) {
    const { S3ObjectStore } = await import('./adapters/object-store/s3-object-store.js');
    return new S3ObjectStore({
      endpoint: config.S3_ENDPOINT,
      accessKey: config.S3_ACCESS_KEY,
      secretKey: config.S3_SECRET_KEY,
      bucket: config.S3_BUCKET,
      cacheDir: join(config.DATA_DIR, 'cache', 's3'),
    });
  }
  const { FolderObjectStore } = await import('./adapters/object-store/folder-object-store.js');
  return new FolderObjectStore(join(config.DATA_DIR, 'artifacts'));
}

async function createTokenVerifier(config: Config): Promise<TokenVerifier> {
  const options = { issuer: config.AUTH_ISSUER, audience: config.AUTH_AUDIENCE };
  if (config.AUTH_JWKS_URL) return new JwksTokenVerifier(config.AUTH_JWKS_URL, options);
  return new SecretTokenVerifier(config.AUTH_JWT_SECRET ?? (await ownSecret(config.DATA_DIR)), options);
}

/** The embedded mode's secret: made at the first start, readable by its owner only. */
async function ownSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, 'jwt-secret');
  await mkdir(dataDir, { recursive: true });
  await writeFile(path, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return (await readFile(path, 'utf8')).trim();
}
