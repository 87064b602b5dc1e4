import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import type { SecretKind } from '../../../modules/language-models/index.js';
import { double } from '../../columns.js';

/** What of an endpoint's prompts and answers is logged. */
export const PromptLogging = defineEntity({
  name: 'PromptLogging',
  tableName: 'prompt_logging',
  properties: {
    tenant: p.text(),
    endpointId: p.uuid().primary(),
    sampleRate: double(),
    redactPrompt: p.json<SecretKind[]>(),
    redactAnswer: p.json<SecretKind[]>(),
    updatedAt: p
      .datetime()
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
  },
});
export type PromptLogging = InferEntity<typeof PromptLogging>;
