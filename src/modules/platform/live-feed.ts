import type { LiveEvents } from '../../adapters/live-events/port.js';
import { AppError, badInput, ErrorCode } from '../../errors.js';

/** A row of a log. Its sequence number grows in the order of the commits. */
export interface Sequenced {
  seq: number;
}

const RECENT_ROWS = 1_000;
const PAGE_ROWS = 500;
/** A row is delayed by at most this time when a wake-up is lost. */
const POLL_MS = 2_000;

/** The error for a follower that asks for rows after `seq` when the rows up to `goneSeq` were deleted. */
export function noLongerKept(seq: number, goneSeq: number): AppError {
  return badInput('after', `0 for all that is still kept, or ${goneSeq} or more: older ones are forgotten`, seq);
}

/**
 * Rows that were read after `seq` from a log that is numbered from 1 without gaps. Throws when rows after `seq` are no
 * longer kept.
 */
export function withoutGap<T extends Sequenced>(seq: number, rows: T[]): T[] {
  const [first] = rows;
  if (seq > 0 && first && first.seq > seq + 1) throw noLongerKept(seq, first.seq - 1);
  return rows;
}

/** Rows of a log after a number, in its order. */
export interface LogPage<T> {
  rows: T[];
  /** Whether the log had ended when the rows were read: no row follows them, unless the log is resumed. */
  hasEnded: boolean;
}

type ReadAfter<T> = (seq: number, limit: number) => Promise<LogPage<T>>;

/**
 * Live logs for many followers: a replay from the database, and then wake-ups. One reader per log keeps its last
 * thousand rows. A follower that is further behind reads the database at its own speed, so that it costs no memory and
 * misses nothing.
 */
export class LiveFeeds {
  private readonly logs = new Map<string, SharedLog<Sequenced>>();
  private readonly looks = new Map<string, Promise<unknown>>();

  constructor(private readonly live: LiveEvents) {}

  /**
   * One read for all who ask the same at the same time: thousands of clients that reconnect must not wait in a queue
   * for the database.
   */
  together<T>(key: string, look: () => Promise<T>): Promise<T> {
    return shared(this.looks as Map<string, Promise<T>>, key, look);
  }

  /**
   * Rows of the log with seq > after, each exactly once and in order, until `signal` aborts, or until the log has ended
   * and all its rows were given. With `staysOpen` it continues after that end, because the log may be resumed.
   */
  async *follow<T extends Sequenced>(
    key: string,
    topic: string,
    read: ReadAfter<T>,
    after: number | null,
    signal: AbortSignal,
    staysOpen = false,
  ): AsyncGenerator<T> {
    const log = this.open<T>(key, topic, read);
    const sleeper: Sleeper = { wake: null };
    const stop = () => sleeper.wake?.();
    signal.addEventListener('abort', stop);
    try {
      let position = after ?? (await log.head());
      // An end that was read before this follower came may no longer be the end.
      if (!staysOpen) log.doubtEnd();
      while (!signal.aborted) {
        const rows = await log.after(position, sleeper, staysOpen);
        if (rows === null) return;
        for (const row of rows) {
          if (signal.aborted) return;
          yield row;
          position = row.seq;
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
      if (log.release()) this.logs.delete(key);
    }
  }

  private open<T extends Sequenced>(key: string, topic: string, read: ReadAfter<T>): SharedLog<T> {
    let log = this.logs.get(key);
    if (!log) {
      log = new SharedLog<Sequenced>(read, (listener) => this.live.subscribe(topic, listener));
      this.logs.set(key, log);
    }
    log.retain();
    // A key names one log, and a log has one row type.
    return log as unknown as SharedLog<T>;
  }
}

/** A follower that waits; `wake` ends its wait. */
interface Sleeper {
  wake: (() => void) | null;
}

class SharedLog<T extends Sequenced> {
  private recent: T[] = [];
  /** All rows with a greater seq than this, up to `end`, are in `recent`. */
  private start: number | null = null;
  private end = 0;
  /** Whether nothing followed `end` at the last read. */
  private hasEnded = false;
  private followers = 0;
  private reading: Promise<void> | null = null;
  private stale = true;
  private readonly sleepers = new Set<Sleeper>();
  /** Past pages that are being read, by the position before them. */
  private readonly pages = new Map<number, Promise<LogPage<T>>>();
  private readonly unsubscribe: () => void;
  private readonly poll: NodeJS.Timeout;

  constructor(
    private readonly read: ReadAfter<T>,
    subscribe: (listener: () => void) => () => void,
  ) {
    this.unsubscribe = subscribe(() => this.wake());
    this.poll = setInterval(() => this.wake(), POLL_MS);
    this.poll.unref();
  }

  retain(): void {
    this.followers++;
  }

  /** True when the last follower has gone. */
  release(): boolean {
    if (--this.followers > 0) return false;
    clearInterval(this.poll);
    this.unsubscribe();
    return true;
  }

  /** Makes the next follower at the end check again whether it is the end. */
  doubtEnd(): void {
    if (this.hasEnded) this.stale = true;
  }

  /** The greatest seq now. */
  async head(): Promise<number> {
    if (this.start !== null && !this.stale) return this.end;
    // A negative seq asks for the newest row only.
    const { rows } = await this.read(-1, 1);
    const last = rows[0]?.seq ?? 0;
    if (this.start === null) this.start = this.end = last;
    return Math.max(this.end, last);
  }

  /**
   * Rows after `position`. Waits until there are some; may return none when the sleeper is finally woken. Null when the
   * log has ended and has no more rows, unless `staysOpen`.
   */
  async after(position: number, sleeper: Sleeper, staysOpen: boolean): Promise<T[] | null> {
    const start = this.start ?? (await this.head());
    if (position < start) {
      const { rows } = await shared(this.pages, position, () => this.read(position, PAGE_ROWS));
      if (rows.length > 0) return rows;
      position = start;
    }
    if (position >= this.end) {
      // A follower at the end reads the next page for all, so only the fastest follower causes reads. A follower that
      // comes during the read waits for it, because the wake-up that caused the read does not come again.
      if (this.stale || this.reading) await this.refresh();
      else if (this.hasEnded && !staysOpen) return null;
      else await this.change(sleeper);
    }
    return position < this.end ? this.recent.slice(firstAfter(this.recent, position)) : [];
  }

  private wake(): void {
    this.stale = true;
    for (const sleeper of this.sleepers) sleeper.wake?.();
  }

  private change(sleeper: Sleeper): Promise<void> {
    return new Promise((resolve) => {
      this.sleepers.add(sleeper);
      sleeper.wake = () => {
        this.sleepers.delete(sleeper);
        sleeper.wake = null;
        resolve();
      };
    });
  }

  private refresh(): Promise<void> {
    this.reading ??= this.fetch().finally(() => {
      this.reading = null;
    });
    return this.reading;
  }

  private async fetch(): Promise<void> {
    this.stale = false;
    try {
      const { rows, hasEnded } = await this.read(this.end, PAGE_ROWS);
      const last = rows.at(-1);
      if (last) {
        this.recent.push(...rows);
        this.end = last.seq;
        const dropped = this.recent.splice(0, Math.max(0, this.recent.length - RECENT_ROWS)).at(-1);
        if (dropped) this.start = dropped.seq;
      }
      const isWhole = rows.length < PAGE_ROWS;
      this.hasEnded = hasEnded && isWhole;
      if (!isWhole) this.stale = true;
    } catch (error) {
      this.stale = true;
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        'The live log could not be read; subscribe again with `after` set to the last seq you have.',
        {},
        { cause: error },
      );
    }
  }
}

/** The running work for a key, or new work. */
function shared<K, T>(underWay: Map<K, Promise<T>>, key: K, work: () => Promise<T>): Promise<T> {
  let promise = underWay.get(key);
  if (!promise) {
    promise = work().finally(() => underWay.delete(key));
    underWay.set(key, promise);
  }
  return promise;
}

function firstAfter(rows: Sequenced[], position: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.seq ?? Infinity) > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * An async iterable whose `return` also ends a wait inside it; a plain generator would notice only with its next row.
 */
export function abortable<T>(generate: (signal: AbortSignal) => AsyncGenerator<T>): AsyncIterableIterator<T> {
  const controller = new AbortController();
  const inner = generate(controller.signal);
  return {
    next: () => inner.next(),
    return: async () => {
      controller.abort();
      return inner.return(undefined);
    },
    throw: async (error: unknown) => {
      controller.abort();
      return inner.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
