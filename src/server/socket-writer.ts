import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/**
 * Above this many unsent bytes, the subscriptions of a socket wait: some hundred events, which any client can handle.
 */
const MAX_BUFFERED_BYTES = 32 * 1024;
/** A client that reads nothing for this time counts as stalled. */
const STALLED_AFTER_MS = 10_000;
/** Frames that are written in one turn of the event loop before requests run: about ten milliseconds. */
const MAX_FRAMES_PER_TURN = 4_000;

/** Divides the time of the event loop between sending events and everything else. */
export class TurnBudget {
  private frames = 0;
  private turn: Promise<void> | null = null;
  private endTurn: () => void = () => undefined;

  count(): void {
    if (this.frames++ > 0) return;
    setImmediate(() => {
      this.frames = 0;
      this.turn = null;
      this.endTurn();
    });
  }

  /** The end of this turn when it has written enough frames, otherwise null. */
  spent(): Promise<void> | null {
    if (this.frames < MAX_FRAMES_PER_TURN) return null;
    this.turn ??= new Promise((resolve) => (this.endTurn = resolve));
    return this.turn;
  }
}

/**
 * Writes frames of many subscriptions to one socket: the frames of one turn in one system call, and never more than its
 * client reads.
 */
export class SocketWriter {
  private corked = false;
  private blocked: { over: Promise<void>; end(): void } | null = null;
  private stalled = false;

  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Duplex,
    private readonly budget: TurnBudget,
  ) {}

  send(text: string): void {
    this.budget.count();
    if (!this.corked) {
      this.corked = true;
      this.stream.cork();
      // Runs after all resolved promises were handled, so after the last frame of this turn.
      process.nextTick(() => {
        this.corked = false;
        this.stream.uncork();
      });
    }
    if (this.blocked === null && this.socket.bufferedAmount + text.length < MAX_BUFFERED_BYTES) this.socket.send(text);
    else this.socket.send(text, this.block().end);
  }

  /** What to wait for before the next frame; null when there is nothing to wait for. */
  wait(): Promise<void> | null {
    return this.blocked?.over ?? this.budget.spent();
  }

  /** True when the client has read nothing for ten seconds; the waiting subscriptions then end. */
  get isStalled(): boolean {
    return this.stalled;
  }

  private block(): { over: Promise<void>; end(): void } {
    if (this.blocked) return this.blocked;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.stalled = true;
      resolve();
    }, STALLED_AFTER_MS);
    const block = {
      over: promise,
      end: () => {
        clearTimeout(timer);
        if (this.blocked === block) this.blocked = null;
        this.stalled = false;
        resolve();
      },
    };
    this.blocked = block;
    return block;
  }
}
