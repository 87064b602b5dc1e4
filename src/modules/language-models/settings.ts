import { z } from 'zod';
import { setting, url, whole, type Settings, type SettingValues } from '../../settings.js';

export const LANGUAGE_MODELS_SETTINGS = {
  VLLM_URL: setting(
    url('http:', 'https:').optional(),
    'Address of a vLLM server, without /v1; it makes the runtime VLLM available.',
  ),
  VLLM_API_KEY: setting(z.string().min(1).optional(), 'Key for the vLLM server, if it needs one.'),
  VLLM_ADAPTER_DIR: setting(
    z.string().startsWith('/').optional(),
    'Folder on the disk of the vLLM server with LoRA adapters, one folder per tenant in it.',
  ),
  LLM_FIRST_TOKEN_MS: setting(
    whole(100, 600_000).default(60_000),
    'Maximum wait for the first token of an answer, in milliseconds.',
  ),
  LLM_SILENCE_MS: setting(
    whole(100, 600_000).default(30_000),
    'Maximum wait for each later token of an answer, in milliseconds.',
  ),
  PROMPT_LOG_DAYS: setting(
    whole(0).default(30),
    'Days that logged prompts and answers are kept; 0 keeps them for ever.',
  ),
  ADAPTER_SWEEP_MS: setting(
    whole(200).default(30_000),
    'Interval at which adapters of ended deployments are unloaded from vLLM, in milliseconds.',
  ),
  LLM_TOKENS_PER_DAY: setting(
    whole(0).optional(),
    'Maximum number of tokens that each tenant may use on a day (UTC), prompts included; no limit when absent.',
  ),
} as const satisfies Settings;

type LanguageModelsSettings = SettingValues<typeof LANGUAGE_MODELS_SETTINGS>;

declare module '../../config.js' {
  interface Config extends LanguageModelsSettings {}
}
