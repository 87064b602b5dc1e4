import type { Session } from '../db/database.js';
import type { Principal } from '../modules/core/index.js';
import type { Services } from '../services.js';
import type { Loaders } from '../loaders.js';

/** What every resolver is handed. */
export interface RequestContext {
  principal: Principal;
  requestId: string;
  services: Services;
  loaders: Loaders;
  /** Whether the client's connection is gone, so that nobody will read the answer. */
  isGone(): boolean;
  /** Calls `onEnd` when the caller's token is revoked; returns how to stop. */
  watchToken(onEnd: () => void): () => void;
  /** One use case in one transaction, as the caller's tenant. */
  run<T>(work: (session: Session) => Promise<T>): Promise<T>;
}
