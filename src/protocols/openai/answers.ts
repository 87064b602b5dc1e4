import type { TextAnswer, TextEvent, TextStream } from '../../modules/language-models/index.js';

type Kind = 'CHAT' | 'COMPLETION';

/** What all objects of one answer have in common. */
interface Head {
  kind: Kind;
  /** The name of the endpoint, as the client asked for it. */
  model: string;
  /** In seconds since 1970. */
  created: number;
}

const PREFIX: Record<Kind, string> = { CHAT: 'chatcmpl', COMPLETION: 'cmpl' };

export const headOf = (kind: Kind, model: string): Head => ({ kind, model, created: Math.floor(Date.now() / 1_000) });

export function wholeAnswer(head: Head, { text, finishReason, usage, ...event }: TextAnswer): object {
  const ending = { logprobs: null, finish_reason: finishReason.toLowerCase() };
  const said = head.kind === 'CHAT' ? { message: { role: 'assistant', content: text, refusal: null } } : { text };
  return {
    ...commonOf(head, event, head.kind === 'CHAT' ? 'chat.completion' : 'text_completion'),
    choices: [{ index: 0, ...said, ...ending }],
    usage: usageOf(usage),
  };
}

/** The events of a streamed answer. `errorOf` makes the last one of an answer that failed. */
export async function* eventsOf(
  head: Head,
  stream: TextStream,
  first: IteratorResult<TextEvent, undefined>,
  { withUsage, errorOf }: { withUsage: boolean; errorOf(error: unknown): object },
): AsyncGenerator<string, void> {
  let last: TextEvent | null = null;
  const chunk = (event: Pick<TextEvent, 'requestId' | 'target'>, choices: object[], usage?: object) =>
    line({
      ...commonOf(head, event, head.kind === 'CHAT' ? 'chat.completion.chunk' : 'text_completion'),
      choices,
      ...(withUsage && { usage: usage ?? null }),
    });
  try {
    for (let next = first; !next.done; next = await stream.next()) {
      const event = next.value;
      if (last === null && head.kind === 'CHAT')
        yield chunk(event, [choiceOf(head, '', null, { role: 'assistant', content: '' })]);
      last = event;
      const { text, finishReason } = event;
      if (text !== '' || finishReason) yield chunk(event, [choiceOf(head, text, finishReason)]);
    }
    if (last && withUsage) yield chunk(last, [], usageOf(last.usage));
    yield 'data: [DONE]\n\n';
  } catch (error) {
    yield line(errorOf(error));
  }
}

function choiceOf(
  { kind }: Head,
  text: string,
  finishReason: TextEvent['finishReason'],
  delta: object = text === '' ? {} : { content: text },
): object {
  const ending = { logprobs: null, finish_reason: finishReason?.toLowerCase() ?? null };
  return { index: 0, ...(kind === 'CHAT' ? { delta } : { text }), ...ending };
}

function commonOf({ kind, model, created }: Head, event: Pick<TextEvent, 'requestId' | 'target'>, object: string) {
  const { requestId, target } = event;
  return { id: `${PREFIX[kind]}-${requestId}`, object, created, model, system_fingerprint: target.version.id };
}

function usageOf({ promptTokens, completionTokens }: TextEvent['usage']) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

const line = (value: object) => `data: ${JSON.stringify(value)}\n\n`;
