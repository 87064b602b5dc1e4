import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import type { Prompt } from '../../../modules/model-contract/index.js';
import { double } from '../../columns.js';

/** A sampled prompt with its answer, after redaction. */
export const PromptLog = defineEntity({
  name: 'PromptLog',
  tableName: 'prompt_log',
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => uuidv7()),
    tenant: p.text(),
    createdAt: p.datetime().onCreate(() => new Date()),
    endpointId: p.uuid(),
    deploymentId: p.uuid(),
    modelVersionId: p.uuid(),
    requestId: p.text(),
    kind: p.enum(['CHAT', 'COMPLETION']),
    prompt: p.json<Prompt>(),
    answer: p.text(),
    finishReason: p.enum(['STOP', 'LENGTH']).nullable(),
    /** Null for an answer that came to its end. */
    errorCode: p.text().nullable(),
    promptTokens: p.bigint('number'),
    completionTokens: p.bigint('number'),
    /** Null when no token came. */
    firstTokenMs: double().nullable(),
    latencyMs: double(),
  },
});
export type PromptLog = InferEntity<typeof PromptLog>;
