import { z } from 'zod';
import { AppError, ErrorCode } from '../../errors.js';
import { type FaultKind, ServerFault } from '../remote/server-fault.js';

const REFUSAL = z.object({ error: z.object({ message: z.string(), param: z.string().nullish() }) });
const MAX_SHOWN_CHARACTERS = 300;
const RETRY_AFTER_MS = 1_000;
/** By the names of OpenAI's API, which vLLM uses in its refusals. */
const FIELDS: Record<string, string> = {
  max_tokens: 'input.maxTokens',
  max_completion_tokens: 'input.maxTokens',
  temperature: 'input.temperature',
  top_p: 'input.topP',
  stop: 'input.stop',
  seed: 'input.seed',
  presence_penalty: 'input.presencePenalty',
  frequency_penalty: 'input.frequencyPenalty',
  response_format: 'input.responseFormat',
  messages: 'input.messages',
  input_text: 'input.messages',
  input_tokens: 'input.messages',
  prompt: 'input.prompt',
};

/** The server did not answer as a server of language models does. */
export function noAnswer(why: string, cause?: unknown, kind: FaultKind = 'WRONG'): ServerFault {
  const message = `The server of language models cannot answer now: ${why}. Try again; if it stays so, ask who runs it.`;
  return new ServerFault(kind, message, { cause });
}

/** What a status other than 200 means. */
export function refusalOf(status: number, retryAfter: string | null, text: string): AppError {
  const { message, param } = told(text);
  if (status === 429)
    return new AppError(
      ErrorCode.RESOURCE_EXHAUSTED,
      'The server of language models has too many requests: retry later.',
      {
        retryAfterMs: (Number(retryAfter) || 0) * 1_000 || RETRY_AFTER_MS,
      },
    );
  if (status === 404) return new AppError(ErrorCode.NOT_FOUND, shown(message) || 'The server has no such model.');
  if (status === 401 || status === 403) return noAnswer('it refused the key of this service (VLLM_API_KEY)');
  if (status === 400 || status === 413 || status === 422) {
    const field = param ? FIELDS[param] : message.startsWith('Grammar error') ? 'input.responseFormat' : undefined;
    const details = {
      expected: 'values that the language model takes',
      got: shown(message),
      ...(field && { field }),
      ...(param && { param }),
    };
    return new AppError(ErrorCode.BAD_USER_INPUT, `The language model refused the request: ${shown(message)}`, details);
  }
  return noAnswer(status < 400 ? 'it sent the request to another address' : `it failed with status ${status}`);
}

/** A text of the server without what it may say of its machine: addresses and paths. */
export function shown(text: string): string {
  const plain = text.replaceAll(/\b[a-z]+:\/\/\S+/gi, '…').replaceAll(/(?<![\w.])\/[\w.-]+(?:\/[\w.-]*)+/g, '…');
  return plain.length > MAX_SHOWN_CHARACTERS ? `${plain.slice(0, MAX_SHOWN_CHARACTERS)}…` : plain;
}

function told(text: string): { message: string; param?: string | null | undefined } {
  try {
    const { data } = REFUSAL.safeParse(JSON.parse(text));
    if (data) return data.error;
  } catch {
    // Not every refusal is JSON.
  }
  return { message: '' };
}
