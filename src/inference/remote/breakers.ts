import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  circuitBreaker,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleWhen,
} from 'cockatiel';
import { AppError, ErrorCode } from '../../errors.js';
import { ServerFault } from './server-fault.js';

/** So many faults in a row set a server, or a model on it, aside. */
const FAULTS = 5;
/** A server that is away is asked again after this time: its refusal costs nothing. */
const SERVER_PAUSE_MS = 1_000;
const MODEL_PAUSE = { initialDelay: 1_000, maxDelay: 30_000 };

/** Refuses requests at once while a server is away. */
export function serverBreaker(): CircuitBreakerPolicy {
  return circuitBreaker(
    handleWhen((error) => error instanceof ServerFault && error.kind === 'AWAY'),
    { halfOpenAfter: SERVER_PAUSE_MS, breaker: new ConsecutiveBreaker(FAULTS) },
  );
}

/** The same for one model that is slow or answers wrongly; the other models of its server are not touched. */
export function modelBreaker(): CircuitBreakerPolicy {
  return circuitBreaker(
    handleWhen((error) => error instanceof ServerFault && (error.kind === 'WRONG' || error.kind === 'SLOW')),
    { halfOpenAfter: new ExponentialBackoff(MODEL_PAUSE), breaker: new ConsecutiveBreaker(FAULTS) },
  );
}

/** Runs `work` unless the breaker is open. UNAVAILABLE with `retryAfterMs` then; `what` completes the sentence. */
export async function guarded<T>(breaker: CircuitBreakerPolicy, what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await breaker.execute(work);
  } catch (error) {
    if (!(error instanceof BrokenCircuitError)) throw error;
    throw new AppError(ErrorCode.UNAVAILABLE, `${what} is set aside for a moment, because it failed ${FAULTS} times.`, {
      retryAfterMs: SERVER_PAUSE_MS,
    });
  }
}
