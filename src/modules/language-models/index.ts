export { sweepAdapters } from './adapter-sweep.js';
export { retentionOfPrompts, retentionOfTokenMinutes } from './old-rows.js';
export { PromptLogService } from './prompt-log.service.js';
export { PromptLogBuffer } from './prompt-log-buffer.js';
export { TextService, type TextAnswer, type TextEvent, type TextInput, type TextStream } from './text.service.js';
export { TokenBudgets, type BudgetState } from './token-budgets.js';
export { createLanguageModelLoaders } from './loaders.js';
export { MAX_MINUTES } from './language-traffic.js';
export { PROMPT_SAMPLE_RATE } from './prompt-log.service.js';
export { TOKENS_PER_DAY } from './rules/budget.js';
export { SECRET_KINDS, type SecretKind } from './rules/redaction.js';
export {
  CHAT_ROLES,
  MAX_TOKENS,
  MESSAGES,
  PENALTY,
  PROMPT,
  PROMPT_TEXT,
  SEED,
  STOP_TEXTS,
  TEMPERATURE,
  TOP_P,
} from './rules/text-request.js';
