import type { OperationTypeNode } from 'graphql';
import type { Session } from '../db/database.js';
import type { Principal } from '../modules/core/index.js';
import type { RequestHeaders } from '../modules/serving/index.js';
import type { Services } from '../services.js';
import type { Loaders } from '../loaders.js';
import type { AppError } from '../errors.js';

/** Counts the bytes of an answer while it is made. */
export interface AnswerCount {
  /** Why the answer was stopped; null while it is small enough. */
  readonly refusal: AppError | null;
  /** Returns what to wait for before more is made. Throws `refusal` when the answer becomes too large. */
  addAnswered(bytes: number, operation: OperationTypeNode): Promise<void> | null;
  /** Why the finished answer may not be sent; `text` gives its JSON. Null when it may be sent. */
  refusalOf(operation: OperationTypeNode, text: () => string): AppError | null;
  /** Called when the answer was sent, or will never be sent. */
  end(): void;
}

/** What every resolver receives. */
export interface RequestContext {
  principal: Principal;
  requestId: string;
  /** Headers of the HTTP request, with names in lower case; none for an event of a subscription. */
  readonly headers: RequestHeaders;
  services: Services;
  loaders: Loaders;
  /** Counts the answer to one operation, or to one event of a subscription; null for a subscription itself. */
  bytes: AnswerCount | null;
  /** Whether the client's connection is closed, so that nobody will read the answer. */
  isGone(): boolean;
  /** Calls `onEnd` when the caller's token is revoked. Returns a function that stops this. */
  watchToken(onEnd: () => void): () => void;
  /** Runs one use case in one transaction, as the caller's tenant. */
  run<T>(work: (session: Session) => Promise<T>): Promise<T>;
}
