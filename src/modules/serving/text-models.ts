import { AppError, conflict, ErrorCode } from '../../errors.js';
import type { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Prompt, Sampling } from '../model-contract/index.js';
import type { GenerateOptions, TextEngine, TextPart } from '../../inference/text/port.js';
import { UUID } from '../core/index.js';
import { requireLanguageModel } from '../registry/index.js';

/** What is needed of a deployment and its version. */
export interface TextTarget {
  deployment: Pick<Deployment, 'id' | 'tenant'>;
  version: Pick<ModelVersion, 'version' | 'languageModel'>;
}

/** Adapters that this service loads have this before the id of their deployment. */
const ADAPTER_PREFIX = 'matih-';

/** The language models of deployments at their server. Each deployment of an adapter loads it under its own name. */
export class TextModels {
  /** Adapters that are being loaded by this process. */
  private readonly loading = new Map<string, Promise<void>>();

  constructor(
    private readonly engine: TextEngine,
    /** The folder of adapters on the disk of the server. */
    private readonly adapterDir: string | undefined,
  ) {}

  /** Errors: CONFLICT (the server does not have the model), BAD_USER_INPUT (the adapter is unfit), UNAVAILABLE. */
  async load({ deployment, version }: TextTarget): Promise<void> {
    const { name, adapter } = requireLanguageModel(version);
    const models = (await this.engine.models()).flatMap((model) => (model.adapterOf === null ? [model.name] : []));
    if (!models.includes(name)) {
      throw conflict(`The server of language models has no model "${name}"; it has ${listed(models)}.`, {
        expected: listed(models),
        got: name,
      });
    }
    if (adapter !== null) await this.loadAdapter(deployment, adapter);
  }

  /** Forgets the adapter of a deployment that has ended. */
  async unload(deploymentId: string): Promise<void> {
    await this.engine.unloadAdapter(adapterNameOf(deploymentId));
  }

  /** The deployments whose adapters the server has. */
  async loadedAdapters(): Promise<string[]> {
    const names = (await this.engine.models()).flatMap(({ name, adapterOf }) =>
      adapterOf !== null && name.startsWith(ADAPTER_PREFIX) ? [name.slice(ADAPTER_PREFIX.length)] : [],
    );
    return names.filter((name) => UUID.test(name));
  }

  /** As the engine; a server that has lost an adapter, because it was started anew, gets it again. */
  async *generate(
    { deployment, version }: TextTarget,
    prompt: Prompt,
    sampling: Sampling,
    options: GenerateOptions,
  ): AsyncGenerator<TextPart, void> {
    const { name, adapter } = requireLanguageModel(version);
    const model = adapter === null ? name : adapterNameOf(deployment.id);
    for (let tries = 1; ; tries++) {
      try {
        return yield* this.engine.generate({ model, prompt, sampling }, options);
      } catch (error) {
        // It is refused before the first part, so that nothing is sent twice.
        if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
        if (adapter === null || tries > 1) throw lost(name, error);
        await this.loadAdapter(deployment, adapter);
      }
    }
  }

  private loadAdapter({ id, tenant }: TextTarget['deployment'], adapter: string): Promise<void> {
    const { adapterDir } = this;
    if (adapterDir === undefined) {
      const message = 'Adapters cannot be deployed: whoever runs the service must set VLLM_ADAPTER_DIR.';
      throw new AppError(ErrorCode.UNAVAILABLE, message, { expected: 'the setting VLLM_ADAPTER_DIR' });
    }
    const name = adapterNameOf(id);
    let loading = this.loading.get(name);
    if (!loading) {
      const folder = `${adapterDir.replace(/\/+$/, '')}/${tenant}/${adapter}`;
      loading = this.engine.loadAdapter(name, folder).finally(() => this.loading.delete(name));
      this.loading.set(name, loading);
    }
    return loading;
  }
}

const adapterNameOf = (deploymentId: string) => `${ADAPTER_PREFIX}${deploymentId}`;
const listed = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ') || 'none';

function lost(name: string, cause: AppError): AppError {
  const message = `The server of language models no longer has "${name}": deploy another version, or ask who runs it.`;
  return new AppError(ErrorCode.UNAVAILABLE, message, {}, { cause });
}
