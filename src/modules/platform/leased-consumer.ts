import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Ticker } from './ticker.js';

export interface LeasedConsumerOptions<Item> {
  /** Name for the log. */
  name: string;
  /** Items that this process works on at the same time. */
  concurrency: number;
  /** Items of one group at the same time, so that one slow receiver does not take all places. No limit when absent. */
  perGroup?: number;
  pollMs: number;
  wakeOn?: { live: LiveEvents; topic: string };
  atStart?: boolean;
  logger: Logger;
  /**
   * Leases up to `limit` due items, none of a group in `busyGroups`. The lease is in the database: when it ends, the
   * items of a lost process are due again. May return items that this process works on already; these are skipped.
   */
  claim(limit: number, busyGroups: readonly string[]): Promise<readonly Item[]>;
  idOf(item: Item): string;
  groupOf?(item: Item): string;
  /** Works on one item and writes its outcome. A failure is logged; the item is due again after its lease. */
  handle(item: Item): Promise<void>;
}

/** Works on rows that several processes share: each row is leased by one process at a time. */
export class LeasedConsumer<Item> {
  private readonly ticker: Ticker;
  private readonly inWork = new Map<string, Promise<void>>();
  private readonly perGroup = new Map<string, number>();
  private isStopped = false;

  constructor(private readonly options: LeasedConsumerOptions<Item>) {
    const { name, pollMs, logger, wakeOn, atStart } = options;
    this.ticker = new Ticker({
      name,
      intervalMs: pollMs,
      logger,
      run: () => this.claim(),
      ...(wakeOn && { wakeOn }),
      ...(atStart && { atStart }),
    });
  }

  start(): void {
    this.ticker.start();
  }

  /** Claims nothing more, and waits for the items that are being worked on. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.ticker.stop();
    await Promise.all(this.inWork.values());
  }

  private async claim(): Promise<void> {
    const { concurrency, perGroup = Infinity } = this.options;
    const limit = concurrency - this.inWork.size;
    if (this.isStopped || limit <= 0) return;
    const busyGroups = [...this.perGroup].filter(([, count]) => count >= perGroup).map(([group]) => group);
    for (const item of await this.options.claim(limit, busyGroups)) this.launch(item);
  }

  private launch(item: Item): void {
    const { idOf, groupOf, handle, logger, name } = this.options;
    const id = idOf(item);
    if (this.inWork.has(id)) return;
    const group = groupOf?.(item);
    if (group !== undefined) this.perGroup.set(group, (this.perGroup.get(group) ?? 0) + 1);
    const done = handle(item)
      .catch((error: unknown) => logger.warn({ err: error, consumer: name, id }, 'work on an item failed'))
      .finally(() => {
        this.inWork.delete(id);
        if (group !== undefined) this.leave(group);
        this.ticker.kick();
      });
    this.inWork.set(id, done);
  }

  private leave(group: string): void {
    const left = (this.perGroup.get(group) ?? 1) - 1;
    if (left > 0) this.perGroup.set(group, left);
    else this.perGroup.delete(group);
  }
}
