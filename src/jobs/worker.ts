import type { Logger } from 'pino';
import type { LiveEvents } from '../adapters/live-events/port.js';
import { JOBS_WAITING, type JobService } from '../modules/jobs/index.js';
import { Ticker } from '../modules/platform/index.js';

export interface Tick {
  name: string;
  intervalMs: number;
  run(): Promise<unknown>;
}

/** If a wake-up is lost, the next turn finds the jobs. */
const DISPATCH_INTERVAL_MS = 30_000;

export function startTicks(ticks: readonly Tick[], logger: Logger): { stop(): Promise<void> } {
  const tickers = ticks.map((tick) => new Ticker({ ...tick, logger }));
  for (const ticker of tickers) ticker.start();
  return {
    stop: async () => {
      await Promise.all(tickers.map((ticker) => ticker.stop()));
    },
  };
}

/** Sends new jobs to the queue as soon as their transaction has committed. */
export function dispatcher(
  jobs: JobService,
  live: LiveEvents,
  logger: Logger,
): { start(): void; stop(): Promise<void> } {
  const ticker = new Ticker({
    name: 'dispatch',
    intervalMs: DISPATCH_INTERVAL_MS,
    wakeOn: { live, topic: JOBS_WAITING },
    atStart: true,
    logger,
    run: () => jobs.dispatch(),
  });
  return { start: () => ticker.start(), stop: () => ticker.stop() };
}
