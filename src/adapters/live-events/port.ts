/**
 * A wake-up between processes: "something about this topic may have changed". It contains no data and may be lost or
 * repeated; receivers read the database, and also poll it slowly.
 */
export interface LiveEvents {
  /** Returns at once. Wake-ups of one turn of the event loop are sent together, each topic once. */
  publish(topic: string): void;
  /** Calls `listener` for wake-ups of `topic` from any process. Returns a function that stops it. */
  subscribe(topic: string, listener: () => void): () => void;
  /** Sends what was published, then closes its connections. */
  close(): Promise<void>;
}
