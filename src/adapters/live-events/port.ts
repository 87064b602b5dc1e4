/**
 * A wake-up between processes: "something about this topic may have changed". It carries no data and may be lost or
 * doubled; receivers read the database and poll slowly behind it.
 */
export interface LiveEvents {
  /** Returns at once; wake-ups of one turn of the event loop are sent together, each topic once. */
  publish(topic: string): void;
  /** Calls `listener` for wake-ups of `topic` from any process; returns how to stop. */
  subscribe(topic: string, listener: () => void): () => void;
  /** Sends what is published, then lets go of its connections. */
  close(): Promise<void>;
}
