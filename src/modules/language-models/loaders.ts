import { PromptLogging } from '../../db/entities/language-models/prompt-logging.entity.js';
import type { Session } from '../../db/database.js';
import type { Batches } from '../platform/index.js';
import { readLanguageMinutes } from './language-traffic.js';

export function createLanguageModelLoaders(batches: Batches) {
  return {
    languageMinutes: batches.of(readLanguageMinutes),
    promptLogging: batches.of(readPromptLogging),
  };
}

async function readPromptLogging(
  { em, tenant }: Session,
  endpointIds: readonly string[],
): Promise<(PromptLogging | null)[]> {
  const found = await em.find(PromptLogging, { tenant, endpointId: { $in: [...endpointIds] } });
  return endpointIds.map((id) => found.find(({ endpointId }) => endpointId === id) ?? null);
}
