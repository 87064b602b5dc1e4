import type { Logger } from 'pino';
import type { LiveEvents } from '../adapters/live-events/port.js';
import { coalesced } from '../modules/platform/index.js';
import { JOBS_WAITING, type JobService } from '../modules/jobs/index.js';

export interface Tick {
  name: string;
  intervalMs: number;
  run(): Promise<unknown>;
}

/** Repeats each tick, never overlapping with itself; a failed one is logged and tried at its next turn. */
export function startTicks(ticks: readonly Tick[], logger: Logger): { stop(): Promise<void> } {
  let stopped = false;
  const loops = ticks.map(({ name, intervalMs, run }) => {
    let timer: NodeJS.Timeout | undefined;
    let wake: () => void = () => undefined;
    const loop = (async () => {
      while (!stopped) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = setTimeout(resolve, intervalMs);
        });
        if (stopped) return;
        await run().catch((error: unknown) => logger.error({ err: error, tick: name }, 'tick failed'));
      }
    })();
    return {
      end: async () => {
        clearTimeout(timer);
        wake();
        await loop;
      },
    };
  });
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(loops.map((loop) => loop.end()));
    },
  };
}

/** Carries new jobs to the queue as soon as their transaction has committed. */
export function dispatcher(jobs: JobService, live: LiveEvents, logger: Logger) {
  const dispatch = coalesced(() =>
    jobs.dispatch().catch((error: unknown) => logger.warn({ err: error }, 'jobs not dispatched yet')),
  );
  let unsubscribe = () => {};
  return {
    start: () => {
      unsubscribe = live.subscribe(JOBS_WAITING, dispatch.kick);
      dispatch.kick();
    },
    stop: async () => {
      unsubscribe();
      await dispatch.idle();
    },
  };
}
