import type { Logger } from 'pino';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import {
  answersTexts,
  type InferenceEngine,
  type InferenceEngines,
  type InferOptions,
  type InferResult,
  type ModelFormat,
  type RemoteEngine,
  type Replicas,
  RUNTIME_KINDS,
  type RuntimeKind,
  type RuntimeName,
  type ServerStatistics,
} from '../../inference/port.js';
import type { Tensor } from '../model-contract/index.js';
import { requireOnnx } from '../registry/index.js';
import { type EnsembleSources, FanOutModels } from './fan-out-models.js';
import { type GivenScaling, ownScaling } from './rules/scaling.js';
import type { TextModels } from './text-models.js';
import { LoadedModels } from './loaded-models.js';

/** A runtime as the API lists it. */
export interface RuntimeFacts extends RuntimeKind {
  name: RuntimeName;
  isConfigured: boolean;
}

/** What decides which models run a deployment. */
interface Placed {
  runtime: RuntimeName;
  mode: Deployment['mode'];
}

interface Loadable {
  deployment: Placed & Pick<Deployment, 'id' | 'tenant' | 'scaling' | 'fanOut'>;
  version: ModelVersion;
}

type Statistics = ReadonlyMap<string, ServerStatistics>;
type ModelsByMode = Record<Deployment['mode'], LoadedModels>;

export const RUNTIME_NAMES = Object.keys(RUNTIME_KINDS) as RuntimeName[];
const FIELD = 'input.runtime';
const STATISTICS_AGE_MS = 1_000;

/** The runtimes of this process: which there are, what each can serve, and the models that each has loaded. */
export class Runtimes {
  /** Those on servers of their own, with the models that this process has loaded there. */
  readonly remote: { name: RuntimeName; engine: RemoteEngine; models: LoadedModels }[] = [];
  private readonly byName = new Map<RuntimeName, ModelsByMode>();
  private readonly ensembles: FanOutModels;
  /** The statistics of each server, when they were asked for. */
  private readonly asked = new Map<RuntimeName, { atMs: number; answer: Promise<Statistics> }>();

  constructor(
    engines: InferenceEngines,
    objects: ObjectStore,
    logger: Logger,
    nameOfModel: (id: string) => Promise<string>,
    /** The language models; null without a server of them. */
    readonly texts: TextModels | null,
    ensembles: EnsembleSources,
  ) {
    const modelsOf = (engine: InferenceEngine) => new LoadedModels(engine, objects, logger, nameOfModel);
    this.byName.set('ONNX', {
      LIVE: modelsOf(engines.live),
      SHADOW: modelsOf(engines.background),
    });
    for (const name of RUNTIME_NAMES) {
      const engine = engines.remote[name];
      if (!engine) continue;
      const models = modelsOf(engine);
      this.byName.set(name, { LIVE: models, SHADOW: models });
      this.remote.push({ name, engine, models });
    }
    this.ensembles = new FanOutModels(engines.fanOut, (placed) => this.models(placed), ensembles);
  }

  /** Of every runtime that the service knows, configured or not. */
  list(): RuntimeFacts[] {
    return RUNTIME_NAMES.map((name) => ({ name, isConfigured: this.has(name), ...RUNTIME_KINDS[name] }));
  }

  /** CONFLICT for a version whose format the runtime does not serve, UNAVAILABLE for one that is not configured. */
  require(runtime: RuntimeName, version: ModelVersion, field = FIELD): void {
    const { formats, setting } = RUNTIME_KINDS[runtime];
    const format = formatOf(version);
    if (!format || !formats.includes(format)) {
      if (formats.includes('ONNX')) requireOnnx(version);
      throw conflict(
        `The runtime ${runtime} serves ${formats.join(' and ')}, and version ${version.version} is ` +
          `${format ?? 'of another format'}: deploy it to another runtime (the query runtimes lists them).`,
        { field, expected: `a version in the format ${formats.join(' or ')}`, got: format ?? 'other files' },
      );
    }
    if (!this.has(runtime)) throw notConfigured(runtime, setting, field);
  }

  /** Loads the model of a deployment, or makes sure that its server has it. The errors are those of the runtime. */
  async load({ deployment, version }: Loadable): Promise<void> {
    const { runtime } = deployment;
    if (runtime === 'FAN_OUT') return this.ensembles.load(deployment, version);
    if (!answersTexts(runtime)) return this.models(deployment).load(requireOnnx(version), deployment.scaling);
    if (!this.texts) throw notConfigured(runtime, RUNTIME_KINDS[runtime].setting);
    return this.texts.load({ deployment, version });
  }

  /** Whether this process can answer at once. */
  isLoaded({ deployment, version }: Loadable): boolean {
    if (answersTexts(deployment.runtime)) return true;
    if (deployment.runtime === 'FAN_OUT') return this.ensembles.isLoaded(deployment.id);
    return this.models(deployment).isLoaded(version.id, deployment.scaling);
  }

  /** The processes of a deployment with a scaling of its own; null where this process knows nothing of them. */
  async replicas(
    deployment: Placed & { modelVersionId: string; scaling: GivenScaling | null },
  ): Promise<Replicas | null> {
    const { runtime, modelVersionId } = deployment;
    const scaling = ownScaling(deployment.scaling);
    if (!scaling || answersTexts(runtime) || !this.has(runtime)) return null;
    return this.models(deployment).replicas(modelVersionId, scaling);
  }

  /** What the model of a deployment answers. Errors: those of its runtime. */
  infer({ deployment, version }: Loadable, inputs: Tensor[], options: InferOptions): Promise<InferResult> {
    if (deployment.runtime === 'FAN_OUT') return this.ensembles.infer(deployment, version, inputs, options);
    return this.models(deployment).infer(requireOnnx(version), inputs, options, deployment.scaling);
  }

  /** UNAVAILABLE when this process has no such runtime. */
  private models({ runtime, mode }: Placed): LoadedModels {
    const models = this.byName.get(runtime);
    if (!models) throw notConfigured(runtime, RUNTIME_KINDS[runtime].setting);
    return models[mode];
  }

  /** What the server of a runtime has counted, by version; empty where it counts nothing. One request for a second. */
  statistics(runtime: RuntimeName): Promise<Statistics> {
    const remote = this.remote.find(({ name }) => name === runtime);
    if (!remote) return Promise.resolve(new Map());
    const last = this.asked.get(runtime);
    if (last && performance.now() - last.atMs < STATISTICS_AGE_MS) return last.answer;
    const answer = remote.engine.statistics();
    this.asked.set(runtime, { atMs: performance.now(), answer });
    return answer;
  }

  /** The models of this machine, for work that is no deployment. */
  get background(): LoadedModels {
    return this.models({ runtime: 'ONNX', mode: 'SHADOW' });
  }

  /** Frees memory of this machine; a server keeps what is deployed. */
  async unloadIdle(deployed: () => Promise<ReadonlySet<string>>): Promise<void> {
    const { LIVE, SHADOW } = this.byName.get('ONNX')!;
    const wanted = LIVE.hasOwnScaling || SHADOW.hasOwnScaling ? await deployed() : new Set<string>();
    await Promise.all([LIVE.unloadIdle(wanted), SHADOW.unloadIdle(wanted)]);
  }

  async close(): Promise<void> {
    const all = new Set([...this.byName.values()].flatMap(({ LIVE, SHADOW }) => [LIVE, SHADOW]));
    await Promise.all([...all].map((models) => models.close()));
  }

  private has(name: RuntimeName): boolean {
    if (name === 'FAN_OUT') return true;
    return answersTexts(name) ? this.texts !== null : this.byName.has(name);
  }
}

/** Null for files that no runtime serves as they are. */
function formatOf({ objectKey, languageModel }: ModelVersion): ModelFormat | null {
  if (objectKey != null) return 'ONNX';
  return languageModel != null ? 'LANGUAGE_MODEL' : null;
}

/** Where a version is deployed unless somebody says otherwise. */
export const usualRuntime = ({ languageModel }: Pick<ModelVersion, 'languageModel'>): RuntimeName =>
  languageModel != null ? 'VLLM' : 'ONNX';

function notConfigured(runtime: RuntimeName, setting: string | null, field = FIELD): AppError {
  return new AppError(
    ErrorCode.UNAVAILABLE,
    `The runtime ${runtime} is not configured: whoever runs the service must set ${setting}. The query runtimes lists ` +
      'what there is.',
    { field, expected: `the setting ${setting}`, got: 'no such setting' },
  );
}
