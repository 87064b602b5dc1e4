import type { Logger } from 'pino';
import type { LocalFile, ObjectStore } from '../../adapters/object-store/port.js';
import type { ModelScaling, Signature, Tensor } from '../model-contract/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { InferenceEngine, InferOptions, InferResult, Replicas } from '../../inference/port.js';
import { sha256Of } from '../uploads/index.js';
import { servedId } from './rules/scaling.js';

/** What is needed of a version to load it. */
export interface ServableVersion {
  id: string;
  objectKey: string;
  sha256: string;
  signature: Signature;
  modelId: string;
  version: number;
}

/** Null, or absent: with other models in the processes that all share. */
type Scaling = ModelScaling | null;

/** A model on this machine that is not called for this time is unloaded; the next call loads it again. */
const IDLE_UNLOAD_MS = 10 * 60_000;
/** One with processes of its own stays as long as it is deployed, and then for requests that are under way. */
const KEEP_MS = 30_000;

interface LoadedModel {
  loading: Promise<void>;
  isLoaded: boolean;
  lastUsedAt: number;
  /** Calls that have not ended. */
  running: number;
  hasOwnScaling: boolean;
  /** Held as long as the model is loaded, because a host process that is replaced reads it again. */
  file: LocalFile | null;
}

/** The models that this process has loaded in one runtime. Each is loaded at its first use, once for all who wait. */
export class LoadedModels {
  private readonly loaded = new Map<string, LoadedModel>();

  constructor(
    private readonly engine: InferenceEngine,
    private readonly objects: ObjectStore,
    private readonly logger: Logger,
    private readonly nameOfModel: (id: string) => Promise<string>,
  ) {}

  isLoaded(versionId: string, scaling: Scaling = null): boolean {
    return this.loaded.get(servedId(versionId, scaling))?.isLoaded ?? false;
  }

  /** Of a model with a scaling of its own that this process has loaded. */
  async replicas(versionId: string, scaling: Scaling): Promise<Replicas | null> {
    return (await this.engine.replicas?.(servedId(versionId, scaling))) ?? null;
  }

  /**
   * Loads the model and warms it up. Errors: those of the runtime; UNAVAILABLE when the stored file is missing,
   * INVALID_MODEL when it has changed.
   */
  load(version: ServableVersion, scaling: Scaling = null): Promise<void> {
    const id = servedId(version.id, scaling);
    const known = this.loaded.get(id);
    if (known) return known.loading;
    const entry: LoadedModel = {
      loading: Promise.resolve(),
      isLoaded: false,
      lastUsedAt: Date.now(),
      running: 0,
      hasOwnScaling: scaling !== null,
      file: null,
    };
    entry.loading = this.start(version, scaling, entry).then(
      () => {
        entry.isLoaded = true;
      },
      (error: unknown) => {
        if (this.loaded.get(id) === entry) this.loaded.delete(id);
        entry.file?.[Symbol.dispose]();
        throw error;
      },
    );
    this.loaded.set(id, entry);
    return entry.loading;
  }

  infer(
    version: ServableVersion,
    inputs: Tensor[],
    options: InferOptions,
    scaling: Scaling = null,
  ): Promise<InferResult> {
    const id = servedId(version.id, scaling);
    const entry = this.loaded.get(id);
    if (!entry?.isLoaded) return this.loadAndInfer(version, inputs, options, scaling);
    entry.lastUsedAt = Date.now();
    entry.running += 1;
    return this.engine.infer(id, inputs, options).then(
      (result) => {
        entry.running -= 1;
        return result;
      },
      (error: unknown) => {
        entry.running -= 1;
        if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
        // The runtime has lost the model, for example because its server was restarted.
        if (this.loaded.get(id) === entry) this.forget(id);
        return this.loadAndInfer(version, inputs, options, scaling);
      },
    );
  }

  /** The next call loads the model again: its server has lost it. */
  forget(id: string): void {
    const entry = this.loaded.get(id);
    if (!entry?.isLoaded) return;
    this.loaded.delete(id);
    entry.file?.[Symbol.dispose]();
  }

  /** Unloads the model, also when another process has loaded it on the server. */
  async unload(id: string): Promise<void> {
    this.forget(id);
    await this.engine.unload(id);
  }

  /** Whether `unloadIdle` must know what is deployed. */
  get hasOwnScaling(): boolean {
    return [...this.loaded.values()].some((entry) => entry.hasOwnScaling);
  }

  /** `deployed`: ids of the models that deployments want. A model with a running call is not idle, however long. */
  async unloadIdle(deployed: ReadonlySet<string>): Promise<void> {
    const now = Date.now();
    for (const [id, entry] of this.loaded) {
      const idleMs = now - entry.lastUsedAt;
      const isIdle = entry.hasOwnScaling ? !deployed.has(id) && idleMs >= KEEP_MS : idleMs >= IDLE_UNLOAD_MS;
      if (!entry.isLoaded || entry.running > 0 || !isIdle) continue;
      this.loaded.delete(id);
      // The model no longer counts as loaded in any case: the next call loads it again.
      await this.engine
        .unload(id)
        .catch((error: unknown) => this.logger.warn({ err: error, model: id }, 'idle model not unloaded'));
      entry.file?.[Symbol.dispose]();
    }
  }

  async close(): Promise<void> {
    await this.engine.close();
    for (const { file } of this.loaded.values()) file?.[Symbol.dispose]();
  }

  private async loadAndInfer(
    version: ServableVersion,
    inputs: Tensor[],
    options: InferOptions,
    scaling: Scaling,
  ): Promise<InferResult> {
    const startedAt = performance.now();
    await withinDeadline(this.load(version, scaling), options.deadlineMs);
    const deadlineMs = Math.max(1, options.deadlineMs - (performance.now() - startedAt));
    return this.infer(version, inputs, { ...options, deadlineMs }, scaling);
  }

  private async start(version: ServableVersion, scaling: Scaling, entry: LoadedModel): Promise<void> {
    entry.file = await modelFile(this.objects, version);
    const { signature, sha256 } = version;
    const modelId = servedId(version.id, scaling);
    const address = async () => ({ name: await this.nameOfModel(version.modelId), version: String(version.version) });
    const downloadUrl = (expiresInSeconds: number) => this.objects.downloadUrl(version.objectKey, expiresInSeconds);
    await this.engine.load({ modelId, path: entry.file.path, scaling, signature, sha256, address, downloadUrl });
  }
}

/** The stored file of a version, as registered. UNAVAILABLE when it is missing, INVALID_MODEL when it differs. */
export async function modelFile(
  objects: ObjectStore,
  { objectKey, sha256 }: Pick<ServableVersion, 'objectKey' | 'sha256'>,
): Promise<LocalFile> {
  let file: LocalFile;
  try {
    file = await objects.localFile(objectKey);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
    throw new AppError(ErrorCode.UNAVAILABLE, 'The stored file of this model version is gone.', {}, { cause: error });
  }
  if ((await sha256Of(file.path)) === sha256) return file;
  file[Symbol.dispose]();
  const message =
    'The stored file of this model version is not what was registered: its SHA-256 differs. Register the model again.';
  throw new AppError(ErrorCode.INVALID_MODEL, message, { expected: sha256 });
}

async function withinDeadline<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new AppError(
            ErrorCode.DEADLINE_EXCEEDED,
            `The model was not loaded within ${deadlineMs} ms. Loading continues: try again in some seconds.`,
          ),
        ),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
