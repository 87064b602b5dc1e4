import { defineEntity, p } from '@mikro-orm/core';
import { double } from '../../columns.js';

/** The tokens of a deployment in one minute. */
export const LanguageMinute = defineEntity({
  name: 'LanguageMinute',
  tableName: 'language_minute',
  properties: {
    tenant: p.text(),
    deploymentId: p.uuid().primary(),
    minute: p.datetime().primary(),
    promptTokens: p.bigint('number').default(0),
    completionTokens: p.bigint('number').default(0),
    /** Tokens after the first one of each answer, and the time that they took. */
    laterTokens: p.bigint('number').default(0),
    laterMs: double().default(0),
  },
});
