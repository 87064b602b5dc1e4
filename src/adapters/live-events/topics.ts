/** Listeners of this process by topic, and the outgoing wake-ups of this turn of the event loop. */
export class Topics {
  private readonly listeners = new Map<string, Set<() => void>>();
  private outgoing = new Set<string>();

  constructor(private readonly send: (topics: string[]) => void) {}

  publish(topic: string): void {
    if (this.outgoing.size === 0) {
      setImmediate(() => {
        const topics = [...this.outgoing];
        this.outgoing = new Set();
        // Neighbours in this process need not wait for the round trip.
        for (const own of topics) this.wake(own);
        this.send(topics);
      });
    }
    this.outgoing.add(topic);
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
}
