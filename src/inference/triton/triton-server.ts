import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AppError, ErrorCode } from '../../errors.js';
import type { Tensor } from '../../modules/model-contract/index.js';
import type { RegisteredModel, ServerStatistics } from '../port.js';
import { HttpServer } from '../remote/http-server.js';
import type { ModelServer, SentOptions } from '../remote/remote-runtime.js';
import { reasonOf, ServerFault } from '../remote/server-fault.js';
import { saidIn, V2Client } from '../v2/v2-client.js';
import { configText, modelConfig, type ModelConfig, wireShape } from './model-config.js';
import type { ModelRepository } from './model-repository.js';
import { statisticsOf, type TritonStatistics } from './statistics.js';

export interface TritonOptions {
  /** The address of its HTTP port. */
  url: string;
  /** Null: files travel with the request to load. */
  repository: ModelRepository | null;
  /** Processes per model, and threads of each. */
  instances: number;
  threads: number;
}

const MODEL_PY = fileURLToPath(new URL('../../../python/matih_ml/triton/model.py', import.meta.url));
/** Models of this service on a server that may have others. */
const PREFIX = 'matih-';
const VERSION = '1';
const LOAD_TIMEOUT_MS = 120_000;
const CALL_TIMEOUT_MS = 10_000;
/** Whoever asks for numbers does not wait for a server that is away. */
const STATISTICS_TIMEOUT_MS = 2_000;
/** A model that hangs is left to itself after this time. */
const UNLOAD_TIMEOUT_MS = 10_000;
const UNLOAD_POLL_MS = 100;
/** A larger model.onnx does not travel within a request. */
const MAX_SENT_BYTES = 256 * 1024 ** 2;

interface IndexEntry {
  name: string;
  version?: string;
  state?: string;
  reason?: string;
}

/**
 * A Triton in the model control mode `explicit`. Each version of this service is a model of its own there, so that one
 * is loaded and unloaded without touching the others.
 */
export class TritonServer implements ModelServer {
  private readonly http: HttpServer;
  private readonly v2: V2Client;

  constructor(private readonly options: TritonOptions) {
    this.http = new HttpServer('Triton', 'TRITON_URL', options.url);
    this.v2 = new V2Client(this.http);
  }

  async load(model: RegisteredModel): Promise<void> {
    const name = nameOf(model.modelId);
    const { signature, sha256, scaling } = model;
    const { instances, threads } = this.options;
    if (await this.v2.isReady({ name, version: VERSION }, AbortSignal.timeout(CALL_TIMEOUT_MS))) return;
    const config = modelConfig(name, signature, {
      sha256,
      instances: scaling?.maxReplicas ?? instances,
      threads: scaling?.threads ?? threads,
    });
    const { repository } = this.options;
    await repository?.write(name, {
      [`${VERSION}/model.onnx`]: { path: model.path },
      [`${VERSION}/model.py`]: { path: MODEL_PY },
      'config.pbtxt': { text: configText(config) },
    });
    const parameters = repository ? {} : await sentFiles(config, model.path);
    const answer = await this.post(`/v2/repository/models/${name}/load`, { parameters }, LOAD_TIMEOUT_MS);
    if (answer.status === 200) return;
    const said = saidIn(answer.body);
    // A model that failed keeps the whole server from being ready, and another attempt writes it anew.
    await this.unload(model.modelId).catch(() => undefined);
    throw new AppError(ErrorCode.INVALID_MODEL, `Triton could not load the model: ${reasonOf(said)}.`);
  }

  async unload(modelId: string): Promise<void> {
    const name = nameOf(modelId);
    const answer = await this.post(`/v2/repository/models/${name}/unload`, {}, CALL_TIMEOUT_MS);
    // It may be unknown there.
    if (answer.status >= 500) throw this.v2.failure(answer);
    const { repository } = this.options;
    if (!repository) return;
    for (const until = Date.now() + UNLOAD_TIMEOUT_MS; Date.now() < until; await sleep(UNLOAD_POLL_MS)) {
      const isGone = (entry: IndexEntry) => entry.name !== name || !entry.state || entry.state === 'UNAVAILABLE';
      if ((await this.index()).every(isGone)) break;
    }
    await repository.remove(name);
  }

  async infer({ modelId }: RegisteredModel, inputs: Tensor[], { alone, signal }: SentOptions): Promise<Tensor[]> {
    const sent = inputs.map((tensor) => ({ ...tensor, shape: wireShape(tensor.shape) }));
    return this.v2.infer({ name: nameOf(modelId), version: VERSION }, sent, {
      parameters: alone ? { alone: true } : {},
      signal,
    });
  }

  async heldModels(): Promise<string[]> {
    return (await this.index())
      .filter(({ name, state }) => name.startsWith(PREFIX) && state === 'READY')
      .map(({ name }) => name.slice(PREFIX.length));
  }

  /** Since each model was loaded there. */
  async statistics(): Promise<Map<string, ServerStatistics>> {
    const signal = AbortSignal.timeout(STATISTICS_TIMEOUT_MS);
    const answer = await this.http.call({ method: 'GET', path: '/v2/models/stats', signal });
    if (answer.status !== 200) throw this.v2.failure(answer);
    const { model_stats: models } = JSON.parse(answer.body.toString()) as { model_stats: TritonStatistics[] };
    return new Map(
      models
        .filter(({ name }) => name.startsWith(PREFIX))
        .map((model) => [model.name.slice(PREFIX.length), statisticsOf(model)]),
    );
  }

  close(): Promise<void> {
    return this.http.close();
  }

  private async index(): Promise<IndexEntry[]> {
    const answer = await this.post('/v2/repository/index', {}, CALL_TIMEOUT_MS);
    if (answer.status !== 200) throw this.v2.failure(answer);
    return JSON.parse(answer.body.toString()) as IndexEntry[];
  }

  private async post(path: string, body: object, timeoutMs: number) {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const headers = { 'content-type': 'application/json' };
      return await this.http.call({ method: 'POST', path, headers, body: JSON.stringify(body), signal });
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new ServerFault('AWAY', `Triton did not answer within ${timeoutMs / 1000} s.`, { cause: error });
    }
  }
}

function nameOf(modelId: string): string {
  return `${PREFIX}${modelId}`;
}

/** The parameters of a request to load that carries the files. */
async function sentFiles(config: ModelConfig, path: string): Promise<Record<string, string>> {
  const { size } = await stat(path);
  if (size > MAX_SENT_BYTES)
    throw new AppError(
      ErrorCode.RESOURCE_EXHAUSTED,
      `The model has ${size} bytes, and at most ${MAX_SENT_BYTES} travel to Triton within a request: whoever runs the ` +
        'service must set TRITON_REPOSITORY.',
      { expected: `at most ${MAX_SENT_BYTES} bytes`, got: `${size} bytes` },
    );
  const base64 = async (file: string) => (await readFile(file)).toString('base64');
  return {
    config: JSON.stringify(config),
    [`file:${VERSION}/model.py`]: await base64(MODEL_PY),
    [`file:${VERSION}/model.onnx`]: await base64(path),
  };
}
