import type { Logger } from 'pino';
import type { Config } from './config.js';
import { createContext, type AppContext } from './context.js';
import { createHandlers } from './jobs/handlers.js';
import { consumeJobs } from './jobs/kit.js';
import { startDispatch, startTicks } from './jobs/worker.js';
import { startHttp, type HttpServer } from './server/http.js';

export interface RunningApp {
  context: AppContext;
  /** Absent in ROLE=worker. */
  http: HttpServer | null;
  /** Drains: nothing new is taken, what runs may finish. */
  close(): Promise<void>;
}

export interface AppOptions {
  databaseUrl: string;
  onStatement?: (sql: string, params: readonly unknown[]) => void;
}

const SWEEP_INTERVAL_MS = 60_000;
const MIRROR_INTERVAL_MS = 500;

/** One process of the service in its role. */
export async function startApp(config: Config, logger: Logger, options: AppOptions): Promise<RunningApp> {
  const context = await createContext(config, logger, options);
  const { services } = context;
  const stops: (() => Promise<void>)[] = [];
  const leaving = new AbortController();
  try {
    services.events.start();
    if (config.ROLE !== 'api') {
      await services.trainings.sweep();
      const runtime = {
        ...context,
        jobs: services.jobs,
        heartbeatTimeoutMs: config.JOB_HEARTBEAT_TIMEOUT_MS,
        leaving: leaving.signal,
      };
      await consumeJobs(runtime, createHandlers(services), config.WORKER_CONCURRENCY);
      const ticks = startTicks(
        [
          {
            name: 'reconcile',
            intervalMs: config.RECONCILE_INTERVAL_MS,
            run: () => services.jobs.reconcile(config.JOB_HEARTBEAT_TIMEOUT_MS),
          },
          { name: 'sweep', intervalMs: SWEEP_INTERVAL_MS, run: () => services.uploads.sweep() },
          { name: 'sweep-direct-uploads', intervalMs: SWEEP_INTERVAL_MS, run: () => services.directUploads.sweep() },
          { name: 'sweep-staged', intervalMs: SWEEP_INTERVAL_MS, run: () => services.staged.sweep() },
          { name: 'sweep-batch-inference', intervalMs: SWEEP_INTERVAL_MS, run: () => services.batchInference.sweep() },
          { name: 'sweep-versions', intervalMs: SWEEP_INTERVAL_MS, run: () => services.versionStorage.sweep() },
          { name: 'sweep-trainings', intervalMs: SWEEP_INTERVAL_MS, run: () => services.trainings.sweep() },
          { name: 'monitoring', intervalMs: config.MONITORING_INTERVAL_MS, run: () => services.monitoring.tick() },
          { name: 'prune-monitoring', intervalMs: SWEEP_INTERVAL_MS, run: () => services.monitoring.prune() },
          {
            name: 'prune-webhook-deliveries',
            intervalMs: SWEEP_INTERVAL_MS,
            run: () => services.webhookDeliveries.prune(),
          },
          { name: 'prune-logs', intervalMs: SWEEP_INTERVAL_MS, run: () => services.retention.prune() },
          { name: 'mirror', intervalMs: MIRROR_INTERVAL_MS, run: () => services.mirror.tick() },
          { name: 'retraining', intervalMs: config.MONITORING_INTERVAL_MS, run: () => services.retraining.tick() },
        ],
        logger,
      );
      stops.push(() => {
        services.mirror.stop();
        services.staged.stop();
        return ticks.stop();
      });
      const dispatch = startDispatch(services.jobs, context.live, logger);
      stops.push(() => dispatch.stop());
      services.webhookDeliveries.start();
      stops.push(() => services.webhookDeliveries.stop());
    }
    if (config.ROLE !== 'worker') context.serving.start();
    const http = config.ROLE === 'worker' ? null : await startHttp(context);
    return {
      context,
      http,
      close: async () => {
        await http?.close();
        for (const stop of stops) await stop();
        leaving.abort();
        await context.close();
      },
    };
  } catch (error) {
    for (const stop of stops) await stop();
    // A training that was just taken up must not keep the reason for the failed start from being told.
    leaving.abort();
    await context.close();
    throw error;
  }
}
