import { LanguageMinute } from '../../db/entities/language-models/language-minute.entity.js';
import { PromptLog } from '../../db/entities/language-models/prompt-log.entity.js';
import { PromptLogging } from '../../db/entities/language-models/prompt-logging.entity.js';
import { TokenBudget, TokenUse } from '../../db/entities/language-models/token-budget.entity.js';
import { defineModule } from '../../define-module.js';
import { LanguageTrafficResolver } from '../../resolvers/language-models/language-traffic.resolver.js';
import {
  PromptLogResolver,
  EndpointPromptLoggingResolver,
} from '../../resolvers/language-models/prompt-log.resolver.js';
import { TextResolver } from '../../resolvers/language-models/text.resolver.js';
import { TokenBudgetResolver } from '../../resolvers/language-models/token-budget.resolver.js';
import {
  createLanguageModelLoaders,
  PromptLogBuffer,
  PromptLogService,
  retentionOfPrompts,
  retentionOfTokenMinutes,
  sweepAdapters,
  TextService,
  TokenBudgets,
} from './index.js';

interface LanguageModelServices {
  promptLogs: PromptLogService;
  texts: TextService;
  tokenBudgets: TokenBudgets;
}

type LanguageModelLoaders = ReturnType<typeof createLanguageModelLoaders>;

declare module '../../services.js' {
  interface Services extends LanguageModelServices {}
}
declare module '../../loaders.js' {
  interface Loaders extends LanguageModelLoaders {}
}

export default defineModule({
  name: 'language-models',
  entities: [LanguageMinute, PromptLog, PromptLogging, TokenBudget, TokenUse],
  createServices: ({ db, logger, config, services }): LanguageModelServices => {
    const { endpoints, retention, serving } = services;
    retention.add(retentionOfTokenMinutes(config.TRAFFIC_LOG_DAYS));
    retention.add(retentionOfPrompts(config.PROMPT_LOG_DAYS));
    const tokenBudgets = new TokenBudgets(db, config.LLM_TOKENS_PER_DAY ?? null);
    return {
      promptLogs: new PromptLogService(endpoints),
      texts: new TextService({
        serving,
        budgets: tokenBudgets,
        prompts: new PromptLogBuffer(db),
        firstTokenMs: config.LLM_FIRST_TOKEN_MS,
        silenceMs: config.LLM_SILENCE_MS,
        logger,
      }),
      tokenBudgets,
    };
  },
  createLoaders: createLanguageModelLoaders,
  resolvers: [
    EndpointPromptLoggingResolver,
    LanguageTrafficResolver,
    PromptLogResolver,
    TextResolver,
    TokenBudgetResolver,
  ],
  createTicks: ({ db, config, services: { serving } }) => {
    const { texts } = serving;
    return texts
      ? [{ name: 'sweep-adapters', intervalMs: config.ADAPTER_SWEEP_MS, run: () => sweepAdapters(db, texts) }]
      : [];
  },
  createBackgroundWork: ({ services: { texts } }) => [
    { in: 'api', start: () => texts.start(), close: () => texts.stop() },
  ],
});
