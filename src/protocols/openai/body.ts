import { AppError, badInput, ErrorCode } from '../../errors.js';
import type { TextInput } from '../../modules/language-models/index.js';

/** A request in OpenAI's form, read. */
export interface OpenAiCall {
  input: TextInput;
  isStreamed: boolean;
  /** Whether the last event of a stream shall be the usage. */
  withUsage: boolean;
}

type Kind = 'CHAT' | 'COMPLETION';
type Body = Record<string, unknown>;

/** Names of fields of the service, and what they are called here. */
const NAMES: Record<string, string> = {
  maxTokens: 'max_tokens',
  topP: 'top_p',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  responseFormat: 'response_format',
  routingKey: 'user',
  endpointName: 'model',
};

const COMMON = [
  ...['model', 'max_tokens', 'temperature', 'top_p', 'stop', 'seed', 'presence_penalty', 'frequency_penalty'],
  ...['response_format', 'stream', 'stream_options', 'user'],
];
const TAKEN: Record<Kind, ReadonlySet<string>> = {
  CHAT: new Set([...COMMON, 'messages', 'max_completion_tokens']),
  COMPLETION: new Set([...COMMON, 'prompt']),
};
/** What clients send though it changes nothing: any value, or the one that asks for nothing. */
const WITHOUT_EFFECT: Readonly<Record<string, (value: unknown) => boolean>> = {
  n: (value) => value === 1,
  best_of: (value) => value === 1,
  echo: (value) => value === false,
  store: (value) => value === false,
  logprobs: (value) => value === false || value === 0,
  tools: (value) => Array.isArray(value) && value.length === 0,
  functions: (value) => Array.isArray(value) && value.length === 0,
  tool_choice: (value) => value === 'none' || value === 'auto',
  logit_bias: (value) => typeof value === 'object' && value !== null && Object.keys(value).length === 0,
  metadata: () => true,
  parallel_tool_calls: () => true,
  safety_identifier: () => true,
  prompt_cache_key: () => true,
};
/** OpenAI's newer name for `system`. */
const DEVELOPER = 'developer';

/** Reads the text of a body. BAD_USER_INPUT names the parameter. */
export function readCall(kind: Kind, text: string): OpenAiCall {
  const body = readObject(text);
  for (const [name, value] of Object.entries(body)) {
    if (TAKEN[kind].has(name) || value === null) continue;
    const isHarmless = Object.hasOwn(WITHOUT_EFFECT, name) ? WITHOUT_EFFECT[name]! : null;
    if (!isHarmless) throw badInput(name, 'a parameter that this service knows', 'an unknown one');
    if (!isHarmless(value)) throw badInput(name, 'no such parameter: this service does not support it', value);
  }
  const options = objectAt(body, 'stream_options');
  return {
    isStreamed: booleanAt(body, 'stream'),
    withUsage: options !== undefined && booleanAt(options, 'include_usage'),
    input: {
      endpointName: textAt(body, 'model') ?? missing('model', 'the name of an endpoint'),
      ...(kind === 'CHAT' ? { messages: messagesAt(body) } : { prompt: promptAt(body) }),
      maxTokens: numberAt(body, 'max_completion_tokens') ?? numberAt(body, 'max_tokens'),
      temperature: numberAt(body, 'temperature'),
      topP: numberAt(body, 'top_p'),
      stop: stopAt(body),
      seed: numberAt(body, 'seed'),
      presencePenalty: numberAt(body, 'presence_penalty'),
      frequencyPenalty: numberAt(body, 'frequency_penalty'),
      responseFormat: objectAt(body, 'response_format'),
      routingKey: textAt(body, 'user'),
    },
  };
}

/** The name that a client knows for a field of the service: `input.maxTokens` is `max_tokens`. */
export function parameterOf(field: string): string {
  const [first = '', ...rest] = field.replace(/^input\./, '').split(/(?=[.[])/);
  return [NAMES[first] ?? first, ...rest].join('');
}

function readObject(text: string): Body {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const details = { field: 'body', expected: 'one JSON object' };
    throw new AppError(ErrorCode.BAD_USER_INPUT, 'The body is not JSON: send one object.', details, { cause: error });
  }
  if (!isObject(value)) throw badInput('body', 'one JSON object', value);
  return value;
}

const isObject = (value: unknown): value is Body =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function missing(name: string, expected: string): never {
  throw badInput(name, expected, 'nothing');
}

function textAt(body: Body, name: string): string | undefined {
  const value = body[name] ?? undefined;
  if (value !== undefined && typeof value !== 'string') throw badInput(name, 'a text', value);
  return value;
}

function numberAt(body: Body, name: string): number | undefined {
  const value = body[name] ?? undefined;
  if (value !== undefined && typeof value !== 'number') throw badInput(name, 'a number', value);
  return value;
}

function booleanAt(body: Body, name: string): boolean {
  const value = body[name] ?? false;
  if (typeof value !== 'boolean') throw badInput(name, 'true or false', value);
  return value;
}

function objectAt(body: Body, name: string): Body | undefined {
  const value = body[name] ?? undefined;
  if (value !== undefined && !isObject(value)) throw badInput(name, 'an object', value);
  return value;
}

function stopAt({ stop }: Body): string[] | undefined {
  if (stop == null) return undefined;
  const texts = Array.isArray(stop) ? (stop as unknown[]) : [stop];
  return texts.map((text, i) => {
    if (typeof text !== 'string') throw badInput(`stop[${i}]`, 'a text', text);
    return text;
  });
}

/** A list of one text is the text; token ids belong to one tokenizer only. */
function promptAt({ prompt }: Body): string {
  const only: unknown = Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : prompt;
  if (typeof only !== 'string') throw badInput('prompt', 'one text', prompt ?? 'nothing');
  return only;
}

function messagesAt({ messages }: Body): { role: string; content: string }[] {
  if (!Array.isArray(messages)) throw badInput('messages', 'a list of messages', messages ?? 'nothing');
  return messages.map((message: unknown, i) => {
    if (!isObject(message)) throw badInput(`messages[${i}]`, 'an object', message);
    const { role, content } = message;
    if (typeof role !== 'string') throw badInput(`messages[${i}].role`, 'a text', role ?? 'nothing');
    for (const name of ['tool_calls', 'function_call', 'audio'])
      if (message[name] != null)
        throw badInput(`messages[${i}].${name}`, 'none: only text is supported', message[name]);
    return { role: role === DEVELOPER ? 'system' : role, content: contentOf(content, `messages[${i}].content`) };
  });
}

/** A text, or a list of parts that are all text. */
function contentOf(content: unknown, field: string): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw badInput(field, 'a text or a list of texts', content ?? 'nothing');
  const parts = content.map((part: unknown, i) => {
    if (!isObject(part) || part['type'] !== 'text' || typeof part['text'] !== 'string')
      throw badInput(`${field}[${i}]`, 'a part of type text: only text is supported', part);
    return part['text'];
  });
  return parts.join('');
}
