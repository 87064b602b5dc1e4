import { LRUCache } from 'lru-cache';
import { conflict, quote } from '../../errors.js';

/** Limit for all endpoints of this process; with 250 characters each, about 30 MB. */
const MAX_REMEMBERED = 50_000;

/**
 * The last request ids that callers gave and that this process answered: a prediction does not wait for a database
 * query. An older id, or one that another process answered, can be used twice without an error. A later look-up by such
 * an id says that several requests have it.
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
