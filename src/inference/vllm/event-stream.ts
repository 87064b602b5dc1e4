import { createParser } from 'eventsource-parser';
import { noAnswer } from './refusal.js';

/** An event has one token or few; a logged error may be longer. */
const MAX_EVENT_CHARACTERS = 1024 ** 2;

/**
 * The data of the events of an answer, as they come: the next bytes are read when the last event was taken, so that a
 * slow reader slows the server and fills no memory. `onRead` runs before each wait.
 */
export async function* eventsOf(response: Response, onRead: () => void): AsyncGenerator<string, void> {
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith('text/event-stream') || !response.body) {
    await response.body?.cancel();
    throw noAnswer('it answered with something that is no stream of events');
  }
  const waiting: string[] = [];
  const parser = createParser({
    onEvent: ({ data }) => waiting.push(data),
    // What a reader does not know, it ignores, as the standard of event streams says.
    onError: ({ type: kind }) => {
      if (kind === 'max-buffer-size-exceeded') throw noAnswer('its answer is no stream of events');
    },
    maxBufferSize: MAX_EVENT_CHARACTERS,
  });
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (;;) {
    onRead();
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(decoder.decode(value, { stream: true }));
    yield* waiting.splice(0);
  }
}
