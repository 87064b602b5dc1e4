import { LRUCache } from 'lru-cache';
import { conflict, quote } from '../../errors.js';

/** Of all endpoints of this process; at 250 characters each some 30 MB. */
const MAX_REMEMBERED = 50_000;

/**
 * Ids that callers gave to their requests and that were answered, the last ones of this process: a prediction does not
 * wait for the database to be asked. An id that another process has answered, or that is older, is used a second time
 * without a word; whoever names it later is told that it means two requests.
 */
export class UsedRequestIds {
  private readonly used = new LRUCache<string, true>({ max: MAX_REMEMBERED });

  take(endpoint: { id: string; name: string }, requestId: string): void {
    const key = keyOf(endpoint, requestId);
    if (this.used.has(key)) {
      throw conflict(
        `The request id ${quote(requestId)} was already used at endpoint "${endpoint.name}". Read its answer ` +
          'with the query prediction, or send another id.',
        { field: 'input.requestId', expected: 'an id that was not used at this endpoint', got: quote(requestId) },
      );
    }
    this.used.set(key, true);
  }

  giveBack(endpoint: { id: string }, requestId: string): void {
    this.used.delete(keyOf(endpoint, requestId));
  }
}

const keyOf = ({ id }: { id: string }, requestId: string) => `${id}\0${requestId}`;
