import type { Comparison } from '../../../modules/core/index.js';
import { MlflowError } from '../errors.js';

// MLflow keeps prompts as registered models with a tag; this service refuses them.

const IS_PROMPT = 'mlflow.prompt.is_prompt';

export function refusePrompts(tags: readonly { key: string; value: string }[]): void {
  if (tags.some(({ key, value }) => key === IS_PROMPT && value.toLowerCase() === 'true'))
    throw new MlflowError('ENDPOINT_NOT_FOUND', 'This service keeps no prompts.');
}

/** The comparisons without the one that clients add to exclude prompts; null when only prompts are requested. */
export function withoutPrompts<T extends Comparison>(comparisons: readonly T[]): T[] | null {
  const wantsPrompts = comparisons.some(({ entity, key, comparator, value }) => {
    if (entity !== 'tag' || key !== IS_PROMPT) return false;
    return String(value).toLowerCase() === (comparator === '=' ? 'true' : 'false');
  });
  return wantsPrompts ? null : comparisons.filter(({ entity, key }) => entity !== 'tag' || key !== IS_PROMPT);
}
