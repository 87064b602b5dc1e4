import type { Fetcher } from '@graphiql/toolkit';
import { getOperationAST } from 'graphql';

type Answer = Awaited<ReturnType<Fetcher>>;

/** A subscription and its messages, newest last. */
export interface Subscription {
  name: string;
  startedAt: number;
  /** The messages that are shown. */
  messages: { at: number; data: Record<string, unknown> }[];
  received: number;
  state: 'LIVE' | 'ENDED' | 'FAILED';
}

const KEPT_MESSAGES = 2_000;

let current: Subscription | null = null;
const listeners = new Set<() => void>();

/** The newest subscription of this page, in the form of React's useSyncExternalStore. */
export const newestSubscription = {
  get: (): Subscription | null => current,
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

function change(next: Subscription | null): void {
  current = next;
  for (const listener of listeners) listener();
}

export function forgetSubscription(): void {
  change(null);
}

const isStream = (answer: Answer): answer is Extract<Answer, AsyncIterable<unknown>> =>
  typeof answer === 'object' && Symbol.asyncIterator in answer;

/**
 * Records the messages of subscriptions, and passes every other answer to `onData`. GraphiQL itself shows only the last
 * message.
 */
export function recording(fetcher: Fetcher, onData: (data: unknown) => void): Fetcher {
  return async (params, options) => {
    const answer = await fetcher(params, options);
    if (isStream(answer)) {
      const operation = options?.documentAST && getOperationAST(options.documentAST, params.operationName);
      const isSubscription = operation?.operation === 'subscription';
      return observed(
        answer,
        isSubscription ? record(params.operationName ?? 'subscription') : { message: onData, end: () => undefined },
      );
    }
    if (typeof answer === 'object' && 'data' in answer) onData(answer.data);
    return answer;
  };
}

interface Observer {
  message(data: unknown): void;
  end(state: 'ENDED' | 'FAILED'): void;
}

/** Begins a new record; an older one is no longer updated. */
function record(name: string): Observer {
  let mine: Subscription = { name, startedAt: Date.now(), messages: [], received: 0, state: 'LIVE' };
  const update = (next: Partial<Subscription>): void => {
    const isNewest = current === mine;
    mine = { ...mine, ...next };
    if (isNewest) change(mine);
  };
  change(mine);
  return {
    message: (data) =>
      update({
        messages: [
          ...mine.messages.slice(1 - KEPT_MESSAGES),
          { at: Date.now(), data: data as Record<string, unknown> },
        ],
        received: mine.received + 1,
      }),
    end: (state) => update({ state }),
  };
}

/** The same stream, with an observer. */
function observed<T>(stream: AsyncIterable<T>, observer: Observer): AsyncIterableIterator<T> {
  const source = stream[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const result = await source.next();
        const data = result.done ? undefined : (result.value as { data?: unknown }).data;
        if (result.done) observer.end('ENDED');
        else if (data) observer.message(data);
        return result;
      } catch (error) {
        observer.end('FAILED');
        throw error;
      }
    },
    async return() {
      observer.end('ENDED');
      return (await source.return?.()) ?? { done: true, value: undefined };
    },
  };
}
