import { badInput } from '../../../errors.js';
import type { ChatMessage, Prompt, Sampling } from '../../model-contract/index.js';
import { characters, checkJson, checkRange, checkText, type InputPosition, type InputRange } from '../../core/index.js';

export const MESSAGES = { min: 1, max: 1_000, unit: 'messages' } satisfies InputRange;
/** A message, or the text to be continued. */
export const PROMPT_TEXT = characters(0, 100_000);
export const PROMPT = characters(1, 100_000);
export const MAX_TOKENS = { min: 1, max: 1_000_000, unit: 'tokens' } satisfies InputRange;
export const TEMPERATURE = { min: 0, max: 2 } satisfies InputRange;
export const TOP_P = { above: 0, max: 1 } satisfies InputRange;
export const PENALTY = { min: -2, max: 2 } satisfies InputRange;
export const STOP_TEXTS = { max: 16, unit: 'texts', each: characters(1, 200) } satisfies InputRange;
export const SEED = { min: 0 } satisfies InputRange;
/** Of all messages together: more than any context of a model, and little enough for memory. */
const MAX_PROMPT_CHARACTERS = 2_000_000;
const MAX_SCHEMA_CHARACTERS = 100_000;

export const CHAT_ROLES = ['system', 'user', 'assistant'] as const satisfies ChatMessage['role'][];

/** What doors of the service take, as it was sent. */
export interface SamplingInput {
  maxTokens?: number | null;
  temperature?: number | null;
  topP?: number | null;
  stop?: readonly string[] | null;
  seed?: number | null;
  presencePenalty?: number | null;
  frequencyPenalty?: number | null;
  responseFormat?: Record<string, unknown> | null;
}

const INPUT: InputPosition = { parent: null, key: 'input' };

const RANGES = {
  maxTokens: MAX_TOKENS,
  temperature: TEMPERATURE,
  topP: TOP_P,
  seed: SEED,
  presencePenalty: PENALTY,
  frequencyPenalty: PENALTY,
} as const;
const WHOLE: readonly string[] = ['maxTokens', 'seed'];

/** Throws BAD_USER_INPUT, which names the first wrong value. */
export function readChat(messages: readonly { role: string; content: string }[]): Prompt {
  checkRange(MESSAGES, messages, INPUT, 'messages');
  const list = { parent: INPUT, key: 'messages' };
  let length = 0;
  const read = messages.map(({ role, content }, i): ChatMessage => {
    const place = { parent: list, key: i };
    checkText(content, place, 'content', PROMPT_TEXT);
    length += content.length;
    const known = CHAT_ROLES.find((name) => name === role);
    if (!known) throw badInput(`input.messages[${i}].role`, `one of ${CHAT_ROLES.join(', ')}`, role);
    return { role: known, content };
  });
  if (length > MAX_PROMPT_CHARACTERS)
    throw badInput('input.messages', `at most ${MAX_PROMPT_CHARACTERS} characters in all`, `${length} characters`);
  if (!read.some(({ content }) => content.trim() !== ''))
    throw badInput('input.messages', 'at least one message that is not empty', 'only empty messages');
  return { kind: 'CHAT', messages: read };
}

/** The same for a text to be continued. */
export function readCompletion(text: string): Prompt {
  checkText(text, INPUT, 'prompt', PROMPT);
  return { kind: 'COMPLETION', text };
}

/** The same for how tokens are chosen. */
export function readSampling(input: SamplingInput): Sampling {
  const sampling: Sampling = {};
  for (const [name, range] of Object.entries(RANGES) as [keyof typeof RANGES, InputRange][]) {
    const value = input[name];
    if (value == null) continue;
    if (WHOLE.includes(name) && !Number.isSafeInteger(value)) throw badInput(`input.${name}`, 'a whole number', value);
    checkRange(range, value, INPUT, name);
    sampling[name] = value;
  }
  if (input.stop?.length) {
    checkRange(STOP_TEXTS, input.stop, INPUT, 'stop');
    input.stop.forEach((text, i) => checkText(text, { parent: INPUT, key: 'stop' }, i));
    sampling.stop = input.stop;
  }
  if (input.responseFormat != null) {
    checkJson(input.responseFormat, INPUT, 'responseFormat');
    const { length } = JSON.stringify(input.responseFormat);
    if (length > MAX_SCHEMA_CHARACTERS)
      throw badInput('input.responseFormat', `at most ${MAX_SCHEMA_CHARACTERS} characters of JSON`, length);
    sampling.responseFormat = input.responseFormat;
  }
  return sampling;
}
