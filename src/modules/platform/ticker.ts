import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';

export interface TickerOptions {
  /** Name for the log. */
  name: string;
  /** From the end of one turn to the beginning of the next. */
  intervalMs: number;
  /** One turn of the work. When it fails, the failure is logged and the next turn tries again. */
  run(): Promise<unknown>;
  logger: Logger;
  /** A topic whose messages begin a turn at once. */
  wakeOn?: { live: LiveEvents; topic: string };
  /** Whether the first turn begins at `start`; otherwise it begins after `intervalMs`. */
  atStart?: boolean;
}

/**
 * Repeats work in the background: at a fixed interval, and soon after each `kick` or wake-up. Two turns never overlap:
 * all kicks during a turn become one more turn after it.
 */
export class Ticker {
  private running: Promise<void> | null = null;
  private again = false;
  private state: 'NEW' | 'STARTED' | 'STOPPED' = 'NEW';
  private timer: NodeJS.Timeout | undefined;
  private unsubscribe: (() => void) | undefined;

  constructor(private readonly options: TickerOptions) {}

  start(): void {
    const { wakeOn, atStart, intervalMs } = this.options;
    this.state = 'STARTED';
    this.unsubscribe = wakeOn?.live.subscribe(wakeOn.topic, () => this.kick());
    if (atStart) this.kick();
    else this.timer = setTimeout(() => this.kick(), intervalMs);
  }

  /** Begins a turn soon. After `stop` nothing begins any more. */
  kick(): void {
    if (this.state === 'STOPPED') return;
    this.again = true;
    this.running ??= this.turns().finally(() => (this.running = null));
  }

  /** Waits until no turn is running. */
  async idle(): Promise<void> {
    while (this.running) await this.running;
  }

  /** Waits for a turn that begins after this call. */
  async flush(): Promise<void> {
    this.kick();
    await this.idle();
  }

  /** Begins no further turn and waits for the running one. */
  async stop(): Promise<void> {
    this.state = 'STOPPED';
    this.again = false;
    this.unsubscribe?.();
    clearTimeout(this.timer);
    await this.idle();
  }

  private async turns(): Promise<void> {
    const { name, run, logger, intervalMs } = this.options;
    clearTimeout(this.timer);
    while (this.again) {
      this.again = false;
      try {
        await run();
      } catch (error) {
        logger.warn({ err: error, ticker: name }, 'a turn of background work failed; the next one tries again');
      }
    }
    if (this.state === 'STARTED') this.timer = setTimeout(() => this.kick(), intervalMs);
  }
}
