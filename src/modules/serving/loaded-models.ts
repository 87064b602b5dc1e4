import type { Logger } from 'pino';
import type { LocalFile, ObjectStore } from '../../adapters/object-store/port.js';
import type { Signature, Tensor } from '../model-contract/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { InferenceEngine, InferOptions, InferResult } from '../../inference/port.js';
import { sha256Of } from '../uploads/index.js';

/** What is needed of a version to load it. */
export interface ServableVersion {
  id: string;
  objectKey: string;
  sha256: string;
  signature: Signature;
  modelId: string;
  version: number;
}

/** A model on this machine that is not called for this time is unloaded; the next call loads it again. */
const IDLE_UNLOAD_MS = 10 * 60_000;

interface LoadedModel {
  loading: Promise<void>;
  isLoaded: boolean;
  lastUsedAt: number;
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

  isLoaded(versionId: string): boolean {
    return this.loaded.get(versionId)?.isLoaded ?? false;
  }

  /**
   * Loads the model and warms it up. Errors: those of the runtime; UNAVAILABLE when the stored file is missing,
   * INVALID_MODEL when it has changed.
   */
  load(version: ServableVersion): Promise<void> {
    const known = this.loaded.get(version.id);
    if (known) return known.loading;
    const entry: LoadedModel = { loading: Promise.resolve(), isLoaded: false, lastUsedAt: Date.now(), file: null };
    entry.loading = this.start(version, entry).then(
      () => {
        entry.isLoaded = true;
      },
      (error: unknown) => {
        if (this.loaded.get(version.id) === entry) this.loaded.delete(version.id);
        entry.file?.[Symbol.dispose]();
        throw error;
      },
    );
    this.loaded.set(version.id, entry);
    return entry.loading;
  }

  infer(version: ServableVersion, inputs: Tensor[], options: InferOptions): Promise<InferResult> {
    const entry = this.loaded.get(version.id);
    if (!entry?.isLoaded) return this.loadAndInfer(version, inputs, options);
    entry.lastUsedAt = Date.now();
    return this.engine.infer(version.id, inputs, options).catch((error: unknown) => {
      if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
      // The runtime has lost the model, for example because its server was restarted.
      if (this.loaded.get(version.id) === entry) this.forget(version.id);
      return this.loadAndInfer(version, inputs, options);
    });
  }

  /** The next call loads the model again: its server has lost it. */
  forget(versionId: string): void {
    const entry = this.loaded.get(versionId);
    if (!entry?.isLoaded) return;
    this.loaded.delete(versionId);
    entry.file?.[Symbol.dispose]();
  }

  /** Unloads the model, also when another process has loaded it on the server. */
  async unload(versionId: string): Promise<void> {
    this.forget(versionId);
    await this.engine.unload(versionId);
  }

  async unloadIdle(): Promise<void> {
    const before = Date.now() - IDLE_UNLOAD_MS;
    for (const [versionId, entry] of this.loaded) {
      if (!entry.isLoaded || entry.lastUsedAt > before) continue;
      this.loaded.delete(versionId);
      // The model no longer counts as loaded in any case: the next call loads it again.
      await this.engine
        .unload(versionId)
        .catch((error: unknown) => this.logger.warn({ err: error, versionId }, 'idle model not unloaded'));
      entry.file?.[Symbol.dispose]();
    }
  }

  async close(): Promise<void> {
    await this.engine.close();
    for (const { file } of this.loaded.values()) file?.[Symbol.dispose]();
  }

  private async loadAndInfer(version: ServableVersion, inputs: Tensor[], options: InferOptions): Promise<InferResult> {
    const startedAt = performance.now();
    await withinDeadline(this.load(version), options.deadlineMs);
    return this.infer(version, inputs, {
      ...options,
      deadlineMs: Math.max(1, options.deadlineMs - (performance.now() - startedAt)),
    });
  }

  private async start(version: ServableVersion, entry: LoadedModel): Promise<void> {
    entry.file = await modelFile(this.objects, version);
    const { id: modelId, signature, sha256 } = version;
    const address = async () => ({ name: await this.nameOfModel(version.modelId), version: String(version.version) });
    await this.engine.load({ modelId, path: entry.file.path, signature, sha256, address });
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
