import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { serviceTokens } from './adapters/auth/service-tokens.js';
import type { ServiceTokenCodec, TokenVerifier } from './adapters/auth/port.js';
import { JwksTokenVerifier, SecretTokenVerifier } from './adapters/auth/token-verifier.js';
import type { JobQueue } from './adapters/job-queue/port.js';
import type { LiveEvents } from './adapters/live-events/port.js';
import { ServiceMetrics } from './adapters/metrics/service-metrics.js';
import { HttpMlflowServer } from './adapters/mlflow-server/http-mlflow-server.js';
import type { ConnectMlflow } from './adapters/mlflow-server/port.js';
import type { ModelConverter } from './adapters/model-converter/port.js';
import { PythonModelConverter } from './adapters/model-converter/python-model-converter.js';
import type { ObjectStore } from './adapters/object-store/port.js';
import { HttpWebhookSender } from './adapters/webhook-sender/http-webhook-sender.js';
import type { WebhookSender } from './adapters/webhook-sender/port.js';
import type { ProcessLimits } from './child-task/limited-process.js';
import type { Config } from './config.js';
import { Database, type Entities } from './db/database.js';
import { checkAllowedHosts, type OutboundPolicy } from './modules/core/index.js';
import { LocalEvaluator } from './adapters/evaluator/local-evaluator.js';
import { LocalImportanceAnalyst } from './adapters/evaluator/local-importance-analyst.js';
import type { ImportanceAnalyst, ModelEvaluator } from './adapters/evaluator/port.js';
import { duckDbDatasets } from './adapters/dataset-files/duckdb-datasets.js';
import type { DatasetFiles } from './adapters/dataset-files/port.js';
import { checkModel } from './inference/onnx/model-check.js';
import { HostPools } from './inference/onnx/host-pools.js';
import { fanOut } from './inference/fanout/fan-out.js';
import type { InferenceEngines, ModelChecker } from './inference/port.js';
import type { ModelRepository } from './inference/triton/model-repository.js';
import type { TextEngine } from './inference/text/port.js';
import { LocalTrainingBackend } from './training/local-backend.js';
import { PythonTrainingBackend } from './training/python/python-backend.js';
import type { MirrorTarget } from './modules/exchange/index.js';
import { SmallObjects } from './modules/uploads/index.js';
import type { BatchPredictor } from './training/batch/port.js';
import type { ClusterBackend, TrainingBackend } from './training/port.js';
import type { RayWork } from './training/ray/ray-work.js';
import { checkCodeArchive } from './training/scripts/code-archive.js';
import { LocalScripts } from './training/scripts/local-scripts.js';
import type { ScriptBackends } from './training/scripts/port.js';

/** The adapters that services use, chosen by the settings. */
export interface Implementations {
  db: Database;
  live: LiveEvents;
  queue: JobQueue;
  objects: ObjectStore;
  /** Verifies tokens of other issuers. */
  tokens: TokenVerifier;
  tokenCodec: ServiceTokenCodec;
  metrics: ServiceMetrics;
  files: DatasetFiles;
  backend: TrainingBackend;
  /** Null when no cluster is configured. */
  cluster: ClusterBackend | null;
  /** Where batch inferences can run besides this machine; null when it is not configured. */
  batchPredictors: Record<'RAY' | 'SPARK', BatchPredictor | null>;
  scripts: ScriptBackends;
  evaluator: ModelEvaluator;
  importance: ImportanceAnalyst;
  checkModel: ModelChecker;
  converter: ModelConverter;
  webhookPolicy: OutboundPolicy;
  webhookSender: WebhookSender;
  importPolicy: OutboundPolicy;
  connectMlflow: ConnectMlflow;
  /** Null when no mirror is configured. */
  mirrorTarget: MirrorTarget | null;
  /** The runtimes of deployments. */
  engines: InferenceEngines;
  /** The server of language models; null when none is configured. */
  textEngine: TextEngine | null;
}

export interface ContextOptions {
  databaseUrl: string;
  entities: Entities;
  onStatement?: (sql: string, params: readonly unknown[]) => void;
}

/** Longer than any step between two statements of one transaction. */
const MIN_IDLE_IN_TRANSACTION_MS = 5_000;

/** Two, so that a shadow that hangs leaves one for the others. */
const BACKGROUND_HOSTS = 2;

/** Connects and prepares the adapters: the tables of the database, the bucket or folder of the object store. */
export async function createImplementations(
  config: Config,
  logger: Logger,
  options: ContextOptions,
): Promise<Implementations> {
  const webhookPolicy = {
    allowHttp: config.WEBHOOK_ALLOW_HTTP,
    allowedHosts: checkAllowedHosts('WEBHOOK_ALLOWED_HOSTS', config.WEBHOOK_ALLOWED_HOSTS),
  };
  const importPolicy = {
    allowHttp: config.MLFLOW_IMPORT_ALLOW_HTTP,
    allowedHosts: checkAllowedHosts('MLFLOW_IMPORT_ALLOWED_HOSTS', config.MLFLOW_IMPORT_ALLOWED_HOSTS),
  };
  const db = await Database.connect({
    url: options.databaseUrl,
    entities: options.entities,
    poolSize: config.DATABASE_POOL_SIZE,
    timeoutMs: config.DATABASE_TIMEOUT_MS,
    backgroundTimeoutMs: config.DATABASE_BACKGROUND_TIMEOUT_MS,
    idleInTransactionTimeoutMs: Math.max(MIN_IDLE_IN_TRANSACTION_MS, config.JOB_HEARTBEAT_TIMEOUT_MS),
    onStatement: options.onStatement,
  });
  await db.migrate();
  const limits = childLimits(config);
  const training = { limits, usageIntervalMs: config.SYSTEM_METRICS_INTERVAL_MS };
  const local = new LocalTrainingBackend(training);
  const files = duckDbDatasets(limits);
  const ray = await createRay(config);
  return {
    db,
    live: await createLiveEvents(config, options.databaseUrl, logger),
    queue: await createJobQueue(config, options.databaseUrl, logger),
    objects: await createObjectStore(config, db),
    tokens: await createTokenVerifier(config),
    tokenCodec: serviceTokens,
    metrics: new ServiceMetrics(),
    files,
    backend: new PythonTrainingBackend({ ...training, pythonPath: config.PYTHON_PATH }, local),
    cluster: await createCluster(ray, local, limits),
    batchPredictors: { RAY: await createRayPredictor(ray, files), SPARK: await createSparkPredictor(config, files) },
    scripts: await createScripts(config, ray),
    evaluator: new LocalEvaluator(limits),
    importance: new LocalImportanceAnalyst(limits),
    checkModel,
    converter: new PythonModelConverter({
      pythonPath: config.PYTHON_PATH,
      sandbox: config.CONVERSION_SANDBOX,
      silenceMs: limits.silenceMs,
      maxMemoryBytes: config.CONVERSION_MEMORY_BYTES,
    }),
    webhookPolicy,
    webhookSender: new HttpWebhookSender({ policy: webhookPolicy }),
    importPolicy,
    connectMlflow: (trackingUri, credentials, signal) =>
      new HttpMlflowServer({ trackingUri, credentials, signal, policy: importPolicy }),
    mirrorTarget: createMirrorTarget(config),
    engines: {
      live: createOnnx(config, config.INFERENCE_HOSTS),
      background: createOnnx(config, BACKGROUND_HOSTS),
      remote: await createRemoteRuntimes(config),
      fanOut,
    },
    textEngine: await createTextEngine(config),
  };
}

async function createTextEngine({ VLLM_URL: url, VLLM_API_KEY: key }: Config): Promise<TextEngine | null> {
  if (!url) return null;
  const { VllmEngine } = await import('./inference/vllm/vllm-engine.js');
  return new VllmEngine({ url, key });
}

/** Private memory that Node.js maps at its start and hardly uses: space for compiled JavaScript. */
const NODE_DATA_BYTES = 1280 * 1024 ** 2;
const DEFAULT_MEMORY_SHARE = 0.75;

/** The limits of one child process of the service. */
function childLimits(config: Config): ProcessLimits {
  const residentBytes = config.CHILD_MEMORY_BYTES ?? Math.floor(DEFAULT_MEMORY_SHARE * totalmem());
  return {
    silenceMs: config.JOB_HEARTBEAT_TIMEOUT_MS,
    residentBytes,
    dataBytes: residentBytes + NODE_DATA_BYTES,
    fileBytes: config.CHILD_FILE_BYTES,
  };
}

const RAY_DASHBOARD_PORT = 8265;

/** Null when no cluster is configured. */
async function createRay(config: Config): Promise<RayWork | null> {
  const cluster = rayCluster(config);
  if (!cluster) return null;
  const { RayWork } = await import('./training/ray/ray-work.js');
  return new RayWork({
    ...cluster,
    pendingTimeoutMs: config.RAY_PENDING_TIMEOUT_MS,
    lostAfterMs: config.RAY_LOST_AFTER_MS,
    maxCores: config.RAY_MAX_CORES ?? null,
  });
}

/** How the cluster and this service reach each other; null when no cluster is configured. */
function rayCluster({ RAY_ADDRESS, RAY_DASHBOARD_URL, RAY_AUTH_TOKEN: token, PUBLIC_URL }: Config) {
  if (!RAY_ADDRESS) return null;
  const { protocol, hostname } = new URL(RAY_ADDRESS);
  const ofAddress = protocol === 'ray:' ? `http://${hostname}:${RAY_DASHBOARD_PORT}` : RAY_ADDRESS;
  const dashboardUrl = (RAY_DASHBOARD_URL ?? ofAddress).replace(/\/+$/, '');
  return { dashboardUrl, token, publicUrl: PUBLIC_URL?.replace(/\/+$/, '') };
}

async function createCluster(
  ray: RayWork | null,
  local: LocalTrainingBackend,
  limits: ProcessLimits,
): Promise<ClusterBackend | null> {
  if (!ray) return null;
  const { RayTrainingBackend } = await import('./training/ray/ray-backend.js');
  return new RayTrainingBackend(ray, local, limits);
}

async function createRayPredictor(ray: RayWork | null, files: DatasetFiles): Promise<BatchPredictor | null> {
  if (!ray) return null;
  const { RayBatchPredictor } = await import('./training/batch/ray-batch-predictor.js');
  return new RayBatchPredictor(ray, files);
}

async function createSparkPredictor(config: Config, files: DatasetFiles): Promise<BatchPredictor | null> {
  const { SPARK_SUBMIT: submitPath, SPARK_MASTER: master } = config;
  if (submitPath === undefined) return null;
  const { SparkBatchPredictor } = await import('./training/batch/spark-batch-predictor.js');
  return new SparkBatchPredictor(
    { submitPath, master, publicUrl: config.PUBLIC_URL?.replace(/\/+$/, ''), environment: process.env },
    files,
  );
}

async function createScripts(config: Config, ray: RayWork | null): Promise<ScriptBackends> {
  const publicUrl = config.PUBLIC_URL?.replace(/\/+$/, '');
  const maxLogBytes = config.SCRIPT_MAX_LOG_BYTES;
  const own = config.ROLE === 'worker' || config.PORT === 0 ? null : `http://${ownHost(config.HOST)}:${config.PORT}`;
  const local = config.ALLOW_LOCAL_SCRIPTS
    ? new LocalScripts({
        pythonPath: config.PYTHON_PATH,
        apiUrl: publicUrl ?? own,
        hasNetwork: config.SCRIPT_NETWORK === 'all',
        maxProcesses: config.SCRIPT_MAX_PROCESSES,
        maxDiskBytes: config.SCRIPT_MAX_DISK_BYTES,
        maxLogBytes,
      })
    : null;
  const cluster =
    ray && new (await import('./training/ray/ray-scripts.js')).RayScripts(ray, { publicUrl, maxLogBytes });
  return { checkArchive: checkCodeArchive, backend: (place) => (place === 'LOCAL' ? local : cluster) };
}

/** The address at which a process reaches itself. */
function ownHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

/** The mirror itself retries later, because it knows what else waits. */
const MIRROR_TRIES = 2;

function createMirrorTarget(config: Config): MirrorTarget | null {
  const { MLFLOW_TRACKING_URI: trackingUri, MLFLOW_TRACKING_TOKEN: token } = config;
  if (!trackingUri) return null;
  const credentials = { token, username: config.MLFLOW_TRACKING_USERNAME, password: config.MLFLOW_TRACKING_PASSWORD };
  const { origin, pathname } = new URL(trackingUri);
  return {
    address: `${origin}${pathname.replace(/\/+$/, '')}`,
    server: new HttpMlflowServer({ trackingUri, credentials, tries: MIRROR_TRIES }),
  };
}

function createOnnx(config: Config, hosts: number): HostPools {
  return new HostPools({ hosts, maxResidentBytes: config.INFERENCE_MEMORY_BYTES });
}

/** The servers that run models, of those that are configured. */
async function createRemoteRuntimes(config: Config): Promise<InferenceEngines['remote']> {
  const { V2_URL, TRITON_URL, TRITON_REPOSITORY, TRITON_INSTANCES: instances, TRITON_THREADS: threads } = config;
  const ray = rayCluster(config);
  if (!TRITON_URL && !V2_URL && !config.RAY_SERVE_URL) return {};
  const { RemoteRuntime } = await import('./inference/remote/remote-runtime.js');
  const remote: InferenceEngines['remote'] = {};
  if (TRITON_URL) {
    const { TritonServer } = await import('./inference/triton/triton-server.js');
    const repository = TRITON_REPOSITORY ? await createModelRepository(config, TRITON_REPOSITORY) : null;
    const triton = new TritonServer({ url: TRITON_URL, repository, instances, threads });
    remote.TRITON = new RemoteRuntime('TRITON', triton);
  }
  if (config.RAY_SERVE_URL && ray) {
    const { RayServeServer } = await import('./inference/ray-serve/ray-serve-server.js');
    const { pythonPackage } = await import('./training/ray/python-package.js');
    const serveUrl = config.RAY_SERVE_URL.replace(/\/+$/, '');
    const { RAY_SERVE_CORES: coresPerThread } = config;
    remote.RAY_SERVE = new RemoteRuntime(
      'RAY_SERVE',
      new RayServeServer({ ...ray, serveUrl, coresPerThread, code: pythonPackage }),
    );
  }
  if (V2_URL) {
    const { V2Server } = await import('./inference/v2/v2-server.js');
    remote.V2 = new RemoteRuntime('V2', new V2Server(V2_URL));
  }
  return remote;
}

async function createModelRepository(config: Config, place: string): Promise<ModelRepository> {
  const { BucketRepository, FolderRepository } = await import('./inference/triton/model-repository.js');
  if (!place.startsWith('s3://')) return new FolderRepository(place);
  const [, bucket = '', folder = ''] = /^s3:\/\/([^/]+)\/?(.*?)\/*$/.exec(place) ?? [];
  const store = await openBucket(config, bucket, 'triton');
  await store.prepare();
  return new BucketRepository(store, folder && `${folder}/`);
}

export async function createLiveEvents(config: Config, databaseUrl: string, logger: Logger): Promise<LiveEvents> {
  if (config.REDIS_URL) {
    const { RedisLiveEvents } = await import('./adapters/live-events/redis-live-events.js');
    return RedisLiveEvents.connect(config.REDIS_URL, logger, config.REDIS_TIMEOUT_MS);
  }
  const { PostgresLiveEvents } = await import('./adapters/live-events/postgres-live-events.js');
  const live = new PostgresLiveEvents(databaseUrl, logger);
  await live.connect();
  return live;
}

async function createJobQueue(config: Config, databaseUrl: string, logger: Logger): Promise<JobQueue> {
  const { createPostgresJobQueue, createRedisJobQueue } = await import('./adapters/job-queue/bullmq-job-queue.js');
  return config.REDIS_URL
    ? createRedisJobQueue(config.REDIS_URL, logger, { timeoutMs: config.REDIS_TIMEOUT_MS })
    : createPostgresJobQueue(databaseUrl, logger, { timeoutMs: config.DATABASE_TIMEOUT_MS });
}

async function createObjectStore(config: Config, db: Database): Promise<ObjectStore> {
  const store = new SmallObjects(await chooseObjectStore(config), db);
  await store.prepare();
  return store;
}

async function chooseObjectStore(config: Config): Promise<ObjectStore> {
  if (config.S3_ENDPOINT) return openBucket(config, config.S3_BUCKET, 's3');
  const { FolderObjectStore } = await import('./adapters/object-store/folder-object-store.js');
  return new FolderObjectStore(join(config.DATA_DIR, 'artifacts'));
}

async function openBucket(config: Config, bucket: string, cache: string): Promise<ObjectStore> {
  const { S3ObjectStore } = await import('./adapters/object-store/s3-object-store.js');
  return new S3ObjectStore({
    // The configuration has refused an endpoint without keys.
    endpoint: config.S3_ENDPOINT!,
    accessKey: config.S3_ACCESS_KEY!,
    secretKey: config.S3_SECRET_KEY!,
    bucket,
    cacheDir: join(config.DATA_DIR, 'cache', cache),
    cacheBytes: config.S3_CACHE_BYTES,
  });
}

async function createTokenVerifier(config: Config): Promise<TokenVerifier> {
  const options = { issuer: config.AUTH_ISSUER, audience: config.AUTH_AUDIENCE };
  if (config.AUTH_JWKS_URL) return new JwksTokenVerifier(config.AUTH_JWKS_URL, options);
  return new SecretTokenVerifier(config.AUTH_JWT_SECRET ?? (await ownSecret(config.DATA_DIR)), options);
}

/** The secret of the embedded mode, created at the first start and readable only by its owner. */
async function ownSecret(dataDir: string): Promise<string> {
  const path = join(dataDir, 'jwt-secret');
  await mkdir(dataDir, { recursive: true });
  await writeFile(path, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    },
  );
  return (await readFile(path, 'utf8')).trim();
}
