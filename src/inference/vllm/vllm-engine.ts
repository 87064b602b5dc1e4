import type { CircuitBreakerPolicy } from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import type { FinishReason, Prompt, Sampling } from '../../modules/model-contract/index.js';
import type { GenerateOptions, ServedModel, TextEngine, TextPart, TextRequest } from '../text/port.js';
import { guarded, modelBreaker, serverBreaker } from '../remote/breakers.js';
import { type FaultKind, ServerFault } from '../remote/server-fault.js';
import { eventsOf } from './event-stream.js';
import { noAnswer, refusalOf, shown } from './refusal.js';

export interface VllmOptions {
  /** The address without /v1. */
  url: string;
  key?: string | undefined;
}

/** For everything but an answer of a model; an adapter may be large. */
const CALL_TIMEOUT_MS = 60_000;
/** Models and adapters whose faults are counted. */
const MAX_MODELS = 10_000;
const MAX_JSON_BYTES = 4 * 1024 ** 2;
const MAX_REFUSAL_BYTES = 64 * 1024;
const DONE = '[DONE]';

const MODELS = z.object({ data: z.array(z.object({ id: z.string(), parent: z.string().nullish() })) });
const CHUNK = z.object({
  choices: z.array(
    z.object({
      text: z.string().nullish(),
      delta: z.object({ content: z.string().nullish() }).nullish(),
      finish_reason: z.string().nullish(),
    }),
  ),
  usage: z.object({ prompt_tokens: z.int().min(0), completion_tokens: z.int().min(0).default(0) }).nullish(),
});
const FAILURE = z.object({ error: z.object({ message: z.string(), code: z.union([z.int(), z.string()]).nullish() }) });

/** vLLM by its OpenAI-compatible API. Redirects are not followed: the key goes to the configured address only. */
export class VllmEngine implements TextEngine {
  private readonly base: string;
  private readonly headers: Record<string, string>;
  private readonly breaker = serverBreaker();
  private readonly modelBreakers = new LRUCache<string, CircuitBreakerPolicy>({ max: MAX_MODELS });

  constructor({ url, key }: VllmOptions) {
    this.base = url.replace(/\/+$/, '');
    this.headers = { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) };
  }

  async models(): Promise<ServedModel[]> {
    const text = await this.call('GET', '/v1/models');
    const { data: listed } = MODELS.safeParse(parsed(text));
    if (!listed) throw noAnswer('it did not list its models');
    return listed.data.map(({ id, parent }) => ({ name: id, adapterOf: parent ?? null }));
  }

  async loadAdapter(name: string, folder: string): Promise<void> {
    if ((await this.models()).some((served) => served.name === name)) return;
    try {
      await this.call('POST', '/v1/load_lora_adapter', { lora_name: name, lora_path: folder });
    } catch (error) {
      if (!(error instanceof AppError) || error.code === ErrorCode.UNAVAILABLE) throw error;
      // Another process may have loaded it meanwhile.
      if ((await this.models()).some((served) => served.name === name)) return;
      throw unfitAdapter(error);
    }
  }

  async unloadAdapter(name: string): Promise<void> {
    await this.call('POST', '/v1/unload_lora_adapter', { lora_name: name }).catch((error: unknown) => {
      if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
    });
  }

  /** What fails before the first part sets a model, or the server, aside after some times. */
  async *generate(request: TextRequest, options: GenerateOptions): AsyncGenerator<TextPart, void> {
    const answer = this.answer(request, options);
    const { model } = request;
    let breaker = this.modelBreakers.get(model);
    if (!breaker) this.modelBreakers.set(model, (breaker = modelBreaker()));
    try {
      const first = await guarded(breaker, `The language model "${model}"`, () =>
        guarded(this.breaker, 'The server of language models', () => answer.next()),
      );
      if (first.done) return;
      yield first.value;
      yield* answer;
    } finally {
      await answer.return();
    }
  }

  private async *answer(
    { model, prompt, sampling }: TextRequest,
    options: GenerateOptions,
  ): AsyncGenerator<TextPart, void> {
    const { signal, firstTokenMs, silenceMs } = options;
    const cut = new AbortController();
    const timer = new Silence(cut);
    const path = prompt.kind === 'CHAT' ? '/v1/chat/completions' : '/v1/completions';
    const body = { model, ...promptOf(prompt), ...samplingOf(sampling), ...STREAMED };
    let isAnswering = false;
    let isBegun = false;
    let finished: FinishReason | null = null;
    try {
      timer.expect(firstTokenMs);
      const response = await this.send('POST', path, AbortSignal.any([signal, cut.signal]), body);
      isAnswering = true;
      for await (const data of eventsOf(response, () => timer.expect(isBegun ? silenceMs : null))) {
        if (data === DONE) break;
        const part = partOf(data);
        if (part === null) continue;
        isBegun ||= part.text !== '' || part.finishReason !== null;
        // Also while nobody reads the next part.
        if (isBegun) timer.rest();
        finished ??= part.finishReason;
        yield part;
      }
      if (!finished) throw noAnswer('its answer ended in the middle');
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw cut.signal.aborted && cut.signal.reason instanceof AppError
        ? cut.signal.reason
        : asOutage(error, isAnswering ? 'WRONG' : 'AWAY');
    } finally {
      timer.rest();
      // Closes the connection of an answer that was not read to its end, which also ends the work of the server.
      cut.abort();
    }
  }

  /** The answer of a call that is not a stream. */
  private async call(method: 'GET' | 'POST', path: string, body?: object): Promise<string> {
    try {
      const response = await this.send(method, path, AbortSignal.timeout(CALL_TIMEOUT_MS), body);
      return await textOf(response, MAX_JSON_BYTES);
    } catch (error) {
      throw asOutage(error, 'AWAY');
    }
  }

  private async send(method: 'GET' | 'POST', path: string, signal: AbortSignal, body?: object): Promise<Response> {
    const response = await fetch(`${this.base}${path}`, {
      method,
      headers: this.headers,
      redirect: 'manual',
      signal,
      ...(body && { body: JSON.stringify(body) }),
    });
    if (response.ok) return response;
    const text = response.status < 400 ? '' : await textOf(response, MAX_REFUSAL_BYTES).catch(() => '');
    if (response.status < 400) await response.body?.cancel();
    throw refusalOf(response.status, response.headers.get('retry-after'), text);
  }
}

/** Aborts a request when what it waits for does not come. */
class Silence {
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly cut: AbortController) {}

  /** Without a time, what was expected before is still expected. */
  expect(ms: number | null): void {
    if (ms === null && this.timer) return;
    this.rest();
    if (ms !== null) this.timer = setTimeout(() => this.cut.abort(tooSlow(ms)), ms);
  }

  rest(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

const STREAMED = { n: 1, stream: true, stream_options: { include_usage: true, continuous_usage_stats: true } };

function promptOf(prompt: Prompt): object {
  return prompt.kind === 'CHAT' ? { messages: prompt.messages } : { prompt: prompt.text };
}

function samplingOf(sampling: Sampling): object {
  return {
    max_tokens: sampling.maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    stop: sampling.stop,
    seed: sampling.seed,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    response_format: sampling.responseFormat,
  };
}

/** Null for an event without a part, such as a comment of the server. */
function partOf(data: string): TextPart | null {
  const value = parsed(data);
  const failure = FAILURE.safeParse(value);
  if (failure.success) {
    // The status was sent before the server read all of the request.
    const status = Number(failure.data.error.code);
    if (status >= 400 && status < 500) throw refusalOf(status, null, data);
    throw noAnswer(`it failed: ${shown(failure.data.error.message)}`);
  }
  const chunk = CHUNK.safeParse(value);
  if (!chunk.success) throw noAnswer('its answer is not in the form of OpenAI');
  const { choices, usage } = chunk.data;
  const [choice] = choices;
  if (!choice && !usage) return null;
  return {
    text: choice?.delta?.content ?? choice?.text ?? '',
    finishReason: choice?.finish_reason ? finishOf(choice.finish_reason) : null,
    usage: usage ? { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens } : null,
  };
}

/** Only these are whole answers; vLLM also names `abort`, `error` and `repetition`. */
function finishOf(reason: string): FinishReason {
  if (reason === 'stop') return 'STOP';
  if (reason === 'length') return 'LENGTH';
  throw noAnswer(`it broke the answer off (${shown(reason)})`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function textOf(response: Response, maxBytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > maxBytes) throw noAnswer('its answer is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function asOutage(error: unknown, kind: FaultKind): AppError {
  return error instanceof AppError ? error : noAnswer('the connection failed', error, kind);
}

function tooSlow(ms: number): ServerFault {
  return new ServerFault('SLOW', `The language model gave no token for ${ms / 1000} s. Try again, or ask for less.`);
}

function unfitAdapter({ message }: AppError): AppError {
  const expected = 'the folder of a LoRA adapter of the model, which vLLM can read';
  return badInput('input.languageModel.adapter', expected, message);
}
