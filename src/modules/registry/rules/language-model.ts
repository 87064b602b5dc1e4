import { ARTIFACT_PATH, checkArtifactPath, checkText, written } from '../../core/index.js';

/** A version that is a language model. */
export interface LanguageModel {
  /** The name by which its server knows the model. */
  name: string;
  /** The folder of a LoRA adapter, below the tenant's folder of adapters at the server; null for the model itself. */
  adapter: string | null;
}

export interface NamedLanguageModel {
  name: string;
  adapter?: string | null;
}

export const SERVED_NAME = written(250);
export const ADAPTER_PATH = ARTIFACT_PATH;

const PLACE = { parent: { parent: null, key: 'input' }, key: 'languageModel' };

/** BAD_USER_INPUT, or INVALID_PATH for an adapter whose folder would lie elsewhere. */
export function checkLanguageModel({ name, adapter }: NamedLanguageModel): LanguageModel {
  checkText(name, PLACE, 'name', SERVED_NAME);
  return { name, adapter: adapter == null ? null : checkArtifactPath('input.languageModel.adapter', adapter) };
}
