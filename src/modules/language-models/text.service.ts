import type { Logger } from 'pino';
import type { PromptLog } from '../../db/entities/language-models/prompt-log.entity.js';
import { AppError, ErrorCode } from '../../errors.js';
import { answersTexts } from '../../inference/port.js';
import type { FinishReason, Prompt, TokenUsage } from '../model-contract/index.js';
import { checkRange, type Principal } from '../core/index.js';
import { Ticker } from '../platform/index.js';
import {
  inSample,
  isFault,
  type NamedEndpoint,
  REQUEST_KEY,
  type CallerAttribute,
  type RequestHeaders,
  type Serving,
  type Target,
  type TextModels,
} from '../serving/index.js';
import { type LoggingRule, MAX_COLLECTED_CHARACTERS, PromptLogBuffer } from './prompt-log-buffer.js';
import { readChat, readCompletion, readSampling, type SamplingInput } from './rules/text-request.js';
import type { TokenBudgets } from './token-budgets.js';

export interface TextInput extends NamedEndpoint, SamplingInput {
  /** Exactly one of the two is given. */
  messages?: readonly { role: string; content: string }[] | null;
  prompt?: string | null;
  routingKey?: string | null;
  /** For the rules of the endpoint's traffic policy. */
  attributes?: CallerAttribute[] | null;
  requestId?: string | null;
}

/** A part of an answer. The last one has its finish reason, or its usage after that. */
export interface TextEvent {
  requestId: string;
  target: Target;
  text: string;
  finishReason: FinishReason | null;
  /** The tokens so far. */
  usage: TokenUsage;
  /** Null before the first token. */
  firstTokenMs: number | null;
  latencyMs: number;
}

export interface TextAnswer extends Omit<TextEvent, 'finishReason'> {
  finishReason: FinishReason;
}

/** An answer as it comes. `return` ends it at once, also at the server. */
export type TextStream = AsyncIterableIterator<TextEvent, undefined>;

export interface TextServiceOptions {
  serving: Pick<Serving, 'predictions' | 'traffic' | 'texts'>;
  budgets: TokenBudgets;
  prompts: PromptLogBuffer;
  firstTokenMs: number;
  silenceMs: number;
  logger: Logger;
}

interface TextCall {
  target: Target;
  texts: TextModels;
  requestId: string;
  prompt: Prompt;
  sampling: ReturnType<typeof readSampling>;
}

const FLUSH_MS = 1_000;
const CANCELLED = 'CANCELLED';
/** Of an answer that is given at once. */
const MAX_ANSWER_CHARACTERS = 8_000_000;
const GONE_POLL_MS = 200;

/** Chats and completions: routed as predictions are, within the tenant's budget, counted and logged. */
export class TextService {
  private readonly writing: Ticker;

  constructor(private readonly options: TextServiceOptions) {
    const { logger } = options;
    this.writing = new Ticker({ name: 'texts', intervalMs: FLUSH_MS, logger, run: () => this.write() });
  }

  start(): void {
    this.writing.start();
  }

  async stop(): Promise<void> {
    await this.flush();
    await this.writing.stop();
  }

  /** Writes what was counted and logged before. */
  flush(): Promise<void> {
    return this.writing.flush();
  }

  /**
   * The answer part by part. Errors before the first part: NOT_FOUND, FORBIDDEN (as for predictions), BAD_USER_INPUT,
   * CONFLICT (the endpoint answers tensors), RESOURCE_EXHAUSTED (budget, or too many requests), UNAVAILABLE; after it:
   * UNAVAILABLE, DEADLINE_EXCEEDED.
   */
  async stream(
    principal: Principal,
    input: TextInput,
    ownRequestId: string,
    headers: RequestHeaders,
  ): Promise<TextStream> {
    const prompt = input.messages ? readChat(input.messages) : readCompletion(input.prompt ?? '');
    const sampling = readSampling(input);
    const requestId = checkKey('requestId', input.requestId) ?? ownRequestId;
    const routingKey = checkKey('routingKey', input.routingKey) ?? requestId;
    const { texts, predictions } = this.options.serving;
    const target = await predictions.choose(principal, input, routingKey, headers);
    if (!answersTexts(target.deployment.runtime) || !texts) throw answersTensors();
    const cut = new AbortController();
    return endingAtOnce(this.run({ target, texts, requestId, prompt, sampling }, cut.signal), cut);
  }

  /** The whole answer. It ends when its caller `isGone`. */
  async answer(
    principal: Principal,
    input: TextInput,
    ownRequestId: string,
    headers: RequestHeaders,
    isGone: () => boolean,
  ): Promise<TextAnswer> {
    let text = '';
    let finishReason: FinishReason | null = null;
    let last: TextEvent | null = null;
    const stream = await this.stream(principal, input, ownRequestId, headers);
    // Also while no token comes.
    const watch = setInterval(() => isGone() && void stream.return?.(), GONE_POLL_MS);
    try {
      for await (const event of stream) {
        text += event.text;
        if (text.length > MAX_ANSWER_CHARACTERS) throw tooLong();
        finishReason ??= event.finishReason;
        last = event;
      }
    } finally {
      clearInterval(watch);
    }
    if (!last || !finishReason) throw new AppError(ErrorCode.UNAVAILABLE, 'The request ended before its answer.');
    return { ...last, text, finishReason };
  }

  private async *run(call: TextCall, signal: AbortSignal): AsyncGenerator<TextEvent, undefined> {
    const { target, texts, requestId, prompt, sampling } = call;
    const { budgets, firstTokenMs: patienceMs, silenceMs, prompts } = this.options;
    const startedAt = performance.now();
    const { predictions } = this.options.serving;
    const wholeMs = target.deployment.limits?.deadlineMs;
    const leave = await predictions.enter(target, Math.min(patienceMs, wholeMs ?? patienceMs));
    const release = await budgets.reserve(target.deployment.tenant, sampling.maxTokens).catch((error: unknown) => {
      leave();
      throw error;
    });
    const late = new AbortController();
    const timer = wholeMs == null ? undefined : setTimeout(() => late.abort(tooLate(wholeMs)), wholeMs);
    const rule = await prompts.ruleOf(target.deployment.endpointId);
    const progress = new Progress(startedAt, rule !== null && inSample(rule.sampleRate, requestId));
    let ended: { error: unknown } | 'WHOLE' | null = null;
    try {
      const options = { signal: AbortSignal.any([signal, late.signal]), firstTokenMs: patienceMs, silenceMs };
      for await (const part of texts.generate(target, prompt, sampling, options)) {
        progress.add(part);
        const { usage, firstTokenMs, latencyMs } = progress;
        const event = { requestId, target, text: part.text, finishReason: part.finishReason, usage };
        const heldFrom = performance.now();
        yield { ...event, firstTokenMs, latencyMs };
        progress.heldMs += performance.now() - heldFrom;
      }
      ended = 'WHOLE';
      return undefined;
    } catch (error) {
      if (!signal.aborted) {
        ended = { error };
        throw error;
      }
      return undefined;
    } finally {
      clearTimeout(timer);
      leave();
      release();
      this.record(call, rule, progress, ended);
    }
  }

  /** `ended` is null for an answer that the caller has cancelled. */
  private record(
    { target, requestId, prompt }: TextCall,
    rule: LoggingRule | null,
    progress: Progress,
    ended: { error: unknown } | 'WHOLE' | null,
  ): void {
    const { deployment } = target;
    const { tenant, id: deploymentId, endpointId, modelVersionId } = deployment;
    const { usage, firstTokenMs, laterMs } = progress;
    const latencyMs = performance.now() - progress.startedAt - progress.heldMs;
    const failure = ended !== null && ended !== 'WHOLE' ? ended.error : null;
    const code = failure === null ? null : failure instanceof AppError ? failure.code : ErrorCode.INTERNAL;
    const { traffic } = this.options.serving;
    // Refused values are the caller's fault, and of a request that was cancelled before its first token nobody knows.
    if (failure !== null ? isFault(failure) : firstTokenMs !== null)
      traffic.counted(deployment, failure === null ? null : code, firstTokenMs ?? latencyMs);
    if (usage.promptTokens + usage.completionTokens > 0)
      this.options.budgets.counters.count({ tenant, deploymentId, ...usage, laterMs });
    if (!rule || !progress.isLogged) return;
    const row = { tenant, endpointId, deploymentId, modelVersionId, requestId, kind: prompt.kind, prompt };
    const outcome: Pick<PromptLog, 'answer' | 'finishReason' | 'errorCode'> = {
      answer: progress.text,
      finishReason: progress.finishReason,
      errorCode: ended === null ? CANCELLED : code,
    };
    this.options.prompts.offer(rule, { ...row, ...outcome, ...usage, firstTokenMs, latencyMs });
  }

  private async write(): Promise<void> {
    await this.options.budgets.counters.flush();
    await this.options.prompts.flush();
  }
}

/** What has come of an answer. */
class Progress {
  text = '';
  finishReason: FinishReason | null = null;
  usage: TokenUsage = { promptTokens: 0, completionTokens: 0 };
  firstTokenMs: number | null = null;
  latencyMs = 0;
  /** From the first token to the last one. */
  laterMs = 0;
  /** The time in which the caller did not read. */
  heldMs = 0;

  constructor(
    readonly startedAt: number,
    readonly isLogged: boolean,
  ) {}

  add({
    text,
    finishReason,
    usage,
  }: {
    text: string;
    finishReason: FinishReason | null;
    usage: TokenUsage | null;
  }): void {
    this.latencyMs = performance.now() - this.startedAt - this.heldMs;
    if (text !== '' || finishReason) {
      this.firstTokenMs ??= this.latencyMs;
      this.laterMs = this.latencyMs - this.firstTokenMs;
    }
    // A server that counts nothing gives about a token with each part.
    const { promptTokens, completionTokens } = this.usage;
    this.usage = usage ?? { promptTokens, completionTokens: completionTokens + (text === '' ? 0 : 1) };
    this.finishReason ??= finishReason;
    if (this.isLogged && this.text.length < MAX_COLLECTED_CHARACTERS) this.text += text;
  }
}

/** An iterator whose `return` does not wait for the part that is being read. */
function endingAtOnce(source: AsyncGenerator<TextEvent, undefined>, cut: AbortController): TextStream {
  const end = async (): Promise<IteratorReturnResult<undefined>> => {
    cut.abort();
    await source.return(undefined);
    return { done: true, value: undefined };
  };
  return {
    next: () => source.next(),
    return: end,
    throw: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function checkKey(field: string, key: string | null | undefined): string | null {
  if (key == null) return null;
  checkRange(REQUEST_KEY, key, { parent: null, key: 'input' }, field);
  return key;
}

function tooLong(): AppError {
  const expected = `at most ${MAX_ANSWER_CHARACTERS} characters`;
  const message = 'The answer is too long to be given at once: ask for fewer tokens, or read it as a stream.';
  return new AppError(ErrorCode.RESOURCE_EXHAUSTED, message, { field: 'input.maxTokens', expected });
}

function tooLate(deadlineMs: number): AppError {
  const message = `The answer took longer than ${deadlineMs} ms, the deadline of its deployment: ask for fewer tokens.`;
  return new AppError(ErrorCode.DEADLINE_EXCEEDED, message, { expected: `an answer within ${deadlineMs} ms` });
}

function answersTensors(): AppError {
  const message = 'This endpoint answers tensors and not texts: call predict, or an endpoint with a language model.';
  return new AppError(ErrorCode.CONFLICT, message, { expected: 'an endpoint whose deployments run on VLLM' });
}
