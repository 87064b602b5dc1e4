import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, ErrorCode } from '../../errors.js';
import {
  DEFAULT_SCALE_TO_ZERO_MS,
  type ModelScaling,
  type Signature,
  TARGET_ONGOING,
  type Tensor,
} from '../../modules/model-contract/index.js';
import type { RegisteredModel, Replicas } from '../port.js';
import { HttpServer } from '../remote/http-server.js';
import type { ModelServer, SentOptions } from '../remote/remote-runtime.js';
import { reasonOf } from '../remote/server-fault.js';
import { V2Client } from '../v2/v2-client.js';
import { type Application, type ApplicationConfig, ServeClient, type ServeClientOptions } from './serve-client.js';

export interface RayServeOptions extends ServeClientOptions {
  /** Where the cluster reaches this service; absent: it cannot load what this service stores itself. */
  publicUrl: string | undefined;
  /** Cores that Ray reserves for a replica, for each of its threads. */
  coresPerThread: number;
  /** The Python code of the application, as Ray takes it. */
  code(): Promise<{ name: string; zip: Uint8Array }>;
}

/** Applications of this service on a cluster that may have others. */
const PREFIX = 'matih-';
const VERSION = '1';
const DEPLOYMENT = 'Model';
const LOAD_TIMEOUT_MS = 180_000;
const UNLOAD_TIMEOUT_MS = 10_000;
const POLL_MS = 250;
/** More changes than this of others in between are no accident. */
const MAX_PUTS = 5;
/** The longest that S3 allows; replicas that start later need a newer address. */
const ADDRESS_SECONDS = 7 * 24 * 60 * 60;
const ADDRESS_RENEWED_MS = 24 * 60 * 60_000;
/** A replica whose run takes longer is replaced. */
const HANG_SECONDS = 60;
/** With one replica, requests wait in its queue and not at the proxy. */
const MAX_ONGOING = 1_000;

/**
 * Ray Serve on the user's cluster. Each version is an application of its own, so that one is loaded and unloaded
 * without touching the others; its replicas speak the Open Inference Protocol below the application's own path.
 */
export class RayServeServer implements ModelServer {
  private readonly client: ServeClient;
  private readonly http: HttpServer;
  private readonly v2: V2Client;
  /** Those that this process has loaded, and when their addresses were made. */
  private readonly sources = new Map<string, { model: RegisteredModel; addressedAt: number }>();

  constructor(private readonly options: RayServeOptions) {
    this.client = new ServeClient(options);
    this.http = new HttpServer('Ray Serve', 'RAY_SERVE_URL', options.serveUrl);
    this.v2 = new V2Client(this.http);
  }

  async load(model: RegisteredModel, ending: AbortSignal): Promise<void> {
    const name = nameOf(model.modelId);
    let state = (await this.client.applications())[name];
    // What failed earlier is tried anew.
    if (state?.status === 'DEPLOY_FAILED') await this.unload(model.modelId);
    let puts = 0;
    for (const until = Date.now() + LOAD_TIMEOUT_MS; Date.now() < until; await sleep(POLL_MS)) {
      ending.throwIfAborted();
      state = (await this.client.applications())[name];
      if (!state && puts < MAX_PUTS) {
        puts += 1;
        await this.deploy(model);
      } else if (state?.status === 'RUNNING') {
        this.sources.set(model.modelId, this.sources.get(model.modelId) ?? { model, addressedAt: addressedAt(state) });
        return;
      } else if (state?.status === 'DEPLOY_FAILED') {
        await this.unload(model.modelId).catch(() => undefined);
        throw new AppError(ErrorCode.INVALID_MODEL, `Ray Serve could not load the model: ${whyOf(state)}.`);
      }
    }
    await this.unload(model.modelId).catch(() => undefined);
    throw new AppError(
      ErrorCode.RESOURCE_EXHAUSTED,
      `Ray Serve did not start the model within ${LOAD_TIMEOUT_MS / 1000} s: ${state ? whyOf(state) : 'it was removed there'}. Look ` +
        'whether the cluster has enough free cores.',
    );
  }

  async unload(modelId: string): Promise<void> {
    const name = nameOf(modelId);
    this.sources.delete(modelId);
    await this.client.change((wanted) => wanted.filter((application) => application.name !== name));
    for (const until = Date.now() + UNLOAD_TIMEOUT_MS; Date.now() < until; await sleep(POLL_MS))
      if (!(name in (await this.client.applications()))) return;
  }

  infer({ modelId }: RegisteredModel, inputs: Tensor[], { alone, signal }: SentOptions): Promise<Tensor[]> {
    return this.v2.infer({ name: nameOf(modelId), version: VERSION }, inputs, {
      parameters: alone ? { alone: true } : {},
      signal,
    });
  }

  async heldModels(): Promise<string[]> {
    const applications = Object.entries(await this.client.applications()).filter(([name]) => name.startsWith(PREFIX));
    for (const { model, addressedAt: since } of this.sources.values())
      if (Date.now() - since > ADDRESS_RENEWED_MS) await this.deploy(model);
    // While its replicas change, an application still answers.
    return applications
      .filter(([, { status }]) => status !== 'DELETING' && status !== 'DEPLOY_FAILED' && status !== 'NOT_STARTED')
      .map(([name]) => name.slice(PREFIX.length));
  }

  async replicas(modelId: string): Promise<Replicas | null> {
    const application = (await this.client.applications())[nameOf(modelId)];
    const deployment = application?.deployments[DEPLOYMENT];
    if (!deployment) return null;
    const { replicas, target_num_replicas: wanted, message } = deployment;
    const running = replicas.filter(({ state }) => state === 'RUNNING').length;
    return { running, wanted: wanted ?? replicas.length, why: message ? reasonOf(message) : null };
  }

  async close(): Promise<void> {
    await Promise.all([this.client.close(), this.http.close()]);
  }

  /** Asks for the application, also for one that is there, whose replicas then learn the new address of their file. */
  private async deploy(model: RegisteredModel): Promise<void> {
    const code = await this.options.code();
    // The cluster forgets it when it restarts.
    if (!(await this.client.hasPackage(code.name))) await this.client.putPackage(code.name, code.zip);
    const issuedAt = Date.now();
    const config = this.applicationOf(model, code.name, { url: await this.urlOf(model), issued_at: issuedAt });
    await this.client.change((wanted) => [...wanted.filter(({ name }) => name !== config.name), config]);
    this.sources.set(model.modelId, { model, addressedAt: issuedAt });
  }

  private applicationOf(
    { modelId, signature, sha256, scaling }: RegisteredModel,
    codeName: string,
    address: { url: string; issued_at: number },
  ): ApplicationConfig {
    const name = nameOf(modelId);
    const { threads = 1 } = scaling ?? {};
    return {
      name,
      // The path at which the Open Inference Protocol has a model.
      route_prefix: `/v2/models/${name}`,
      import_path: 'matih_ml.serve.app:build',
      runtime_env: { working_dir: `gcs://${codeName}` },
      args: { name, joins: mayJoin(signature), threads, hang_s: HANG_SECONDS },
      deployments: [
        {
          name: DEPLOYMENT,
          ...replicasOf(scaling),
          max_ongoing_requests: MAX_ONGOING,
          user_config: { sha256, ...address },
          ray_actor_options: { num_cpus: threads * this.options.coresPerThread },
        },
      ],
    };
  }

  private async urlOf(model: RegisteredModel): Promise<string> {
    const url = await model.downloadUrl(ADDRESS_SECONDS);
    if (!url.startsWith('/')) return url;
    const { publicUrl } = this.options;
    if (publicUrl) return `${publicUrl}${url}`;
    throw new AppError(
      ErrorCode.UNAVAILABLE,
      'Ray Serve loads models from PUBLIC_URL: whoever runs the service must set it to an address at which the cluster ' +
        'reaches this service.',
    );
  }
}

/** Replicas between the bounds by the requests at the same time, or one. */
function replicasOf(scaling: ModelScaling | null | undefined): object {
  const { minReplicas = 1, maxReplicas = Math.max(1, minReplicas), scaleToZeroAfterMs } = scaling ?? {};
  if (minReplicas === maxReplicas) return { num_replicas: minReplicas };
  return {
    autoscaling_config: {
      min_replicas: minReplicas,
      max_replicas: maxReplicas,
      // With none, Ray would call an application RUNNING whose model cannot be loaded.
      initial_replicas: Math.max(1, minReplicas),
      target_ongoing_requests: TARGET_ONGOING,
      ...(minReplicas === 0 && { downscale_to_zero_delay_s: (scaleToZeroAfterMs ?? DEFAULT_SCALE_TO_ZERO_MS) / 1_000 }),
    },
  };
}

function nameOf(modelId: string): string {
  return `${PREFIX}${modelId}`;
}

function mayJoin({ inputs, outputs, rowIndependence }: Signature): boolean {
  return (rowIndependence?.proven ?? false) && [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
}

function addressedAt({ deployed_app_config: config }: Application): number {
  const [deployment] = (config?.['deployments'] ?? []) as { user_config?: { issued_at?: number } }[];
  return deployment?.user_config?.issued_at ?? 0;
}

/** The reason of the deployment says more than that of the application. */
function whyOf({ message, deployments }: Application): string {
  const own = Object.values(deployments).find((deployment) => deployment.message);
  return reasonOf(own?.message ?? message ?? 'no reason');
}
