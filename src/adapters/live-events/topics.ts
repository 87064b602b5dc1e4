import { setTimeout as sleep } from 'node:timers/promises';

/** Between two messages; the first one after a silence is sent at once. */
const PAUSE_MS = 5;

/**
 * Listeners of this process by topic, and the outgoing wake-ups. Those of one turn of the event loop are sent together.
 * Those that come while others are being sent wait as one set, so that a slow connection costs no memory.
 */
export class Topics {
  private readonly listeners = new Map<string, Set<() => void>>();
  private readonly fresh = new Set<string>();
  private readonly unsent = new Set<string>();
  private sending: Promise<void> | null = null;

  /** `send` must not reject, because a wake-up may be lost. */
  constructor(private readonly send: (topics: string[]) => Promise<void>) {}

  publish(topic: string): void {
    if (this.fresh.size === 0) setImmediate(() => this.endTurn());
    this.fresh.add(topic);
  }

  subscribe(topic: string, listener: () => void): () => void {
    const set = this.listeners.get(topic) ?? new Set();
    this.listeners.set(topic, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0 && this.listeners.get(topic) === set) this.listeners.delete(topic);
    };
  }

  wake(topic: string): void {
    for (const listener of [...(this.listeners.get(topic) ?? [])]) listener();
  }

  /** After a lost connection any topic may have changed. */
  wakeAll(): void {
    for (const topic of [...this.listeners.keys()]) this.wake(topic);
  }

  /** Resolves when everything that was published so far is being sent. */
  async flushed(): Promise<void> {
    if (this.fresh.size > 0) await new Promise((resolve) => setImmediate(resolve));
    while (this.sending) await this.sending;
  }

  private endTurn(): void {
    const topics = [...this.fresh];
    this.fresh.clear();
    for (const topic of topics) {
      // Listeners in this process need not wait for the round trip.
      this.wake(topic);
      this.unsent.add(topic);
    }
    this.sending ??= this.drain().finally(() => {
      this.sending = null;
    });
  }

  private async drain(): Promise<void> {
    while (this.unsent.size > 0) {
      const topics = [...this.unsent];
      this.unsent.clear();
      await this.send(topics);
      // Wake-ups that come in the meantime are sent together: listeners cannot use more of them.
      await sleep(PAUSE_MS);
    }
  }
}
