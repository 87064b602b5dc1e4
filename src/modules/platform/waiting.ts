import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Actor } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';

/** The client that waits for an answer. */
export interface Waiter extends Actor {
  /** Whether its connection is closed, so that nobody will read the answer. */
  isGone(): boolean;
}

export const MAX_WAIT_MS = 60_000;
/** Each waiting call keeps a request open, but no connection of the database. */
const MAX_WAITING_PER_TENANT = 200;
/** The longest delay until a lost wake-up, or a closed connection, is noticed. */
const POLL_MS = 2_000;

/** Reads until `isDone`, again after each wake-up of `topic`, and returns what it read last; `signal` ends it early. */
export async function lookUntil<T>(
  live: LiveEvents,
  topic: string,
  look: () => Promise<T>,
  isDone: (seen: T) => boolean,
  signal: AbortSignal,
): Promise<T> {
  let isStale = true;
  let wake: (() => void) | null = null;
  const kick = () => {
    isStale = true;
    wake?.();
  };
  const unsubscribe = live.subscribe(topic, kick);
  const poll = setInterval(kick, POLL_MS);
  signal.addEventListener('abort', kick);
  try {
    for (;;) {
      isStale = false;
      const seen = await look();
      if (signal.aborted || isDone(seen)) return seen;
      // A wake-up during the read came after the state that was read.
      if (!isStale) await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    unsubscribe();
    clearInterval(poll);
    signal.removeEventListener('abort', kick);
  }
}

/** Answers that wait until something happens, so that clients need not poll. */
export class Waiting {
  private readonly waiting = new Map<string, number>();
  private readonly running = new Set<AbortController>();
  private stopped = false;

  constructor(private readonly live: LiveEvents) {}

  /**
   * What `look` returns when that `isDone`, or after `waitMs`, or when the client has closed its connection, or when
   * this process stops. RESOURCE_EXHAUSTED when too many calls of the tenant wait already.
   */
  async until<T>(
    who: Waiter,
    { topic, waitMs, field }: { topic: string; waitMs: number; field: string },
    look: () => Promise<T>,
    isDone: (seen: T) => boolean,
  ): Promise<T> {
    if (waitMs === 0 || this.stopped) return look();
    const { tenant } = who.principal;
    const others = this.waiting.get(tenant) ?? 0;
    if (others >= MAX_WAITING_PER_TENANT) {
      throw new AppError(
        ErrorCode.RESOURCE_EXHAUSTED,
        `${others} calls of your tenant are waiting already, which is the maximum. Call again later, or without ` +
          `${field.split('.').at(-1)}.`,
        { field, expected: `at most ${MAX_WAITING_PER_TENANT} calls that wait at once` },
      );
    }
    this.waiting.set(tenant, others + 1);
    const controller = new AbortController();
    this.running.add(controller);
    const timer = setTimeout(() => controller.abort(), waitMs);
    try {
      return await lookUntil(this.live, topic, look, (seen) => isDone(seen) || who.isGone(), controller.signal);
    } finally {
      clearTimeout(timer);
      this.running.delete(controller);
      const left = this.waiting.get(tenant)! - 1;
      if (left > 0) this.waiting.set(tenant, left);
      else this.waiting.delete(tenant);
    }
  }

  /** Answers all waiting calls with the current state; later calls do not wait. */
  stop(): void {
    this.stopped = true;
    for (const controller of this.running) controller.abort();
  }
}
