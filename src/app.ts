import type { Logger } from 'pino';
import type { Config } from './config.js';
import { askNvidiaSmi } from './adapters/gpu-inventory/nvidia-smi.js';
import { readGpus, visibleGpus } from './modules/jobs/index.js';
import { createContext, type AppContext } from './context.js';
import type { Module } from './define-module.js';
import { consumeJobs } from './jobs/engine/run-jobs.js';
import { startTicks } from './jobs/worker.js';
import { loadModules } from './modules.js';
import { startHttp, type HttpServer } from './server/http.js';

export interface RunningApp {
  context: AppContext;
  /** Null in ROLE=worker. */
  http: HttpServer | null;
  /** Drains: takes nothing new and lets running work finish. */
  close(): Promise<void>;
}

export interface AppOptions {
  databaseUrl: string;
  /** When absent: the modules of src/modules.ts. */
  modules?: readonly Module[];
  onStatement?: (sql: string, params: readonly unknown[]) => void;
}

/** Starts one process of the service in its role. */
export async function startApp(config: Config, logger: Logger, options: AppOptions): Promise<RunningApp> {
  const context = await createContext(config, logger, options.modules ?? (await loadModules()), options);
  const { services, queue, live, db } = context;
  const work = context.backgroundWork.filter((each) => each.in === 'all' || isIn(config, each.in));
  // Work that was created later may use work that was created before it, so it ends first.
  const backwards = work.toReversed();
  const leaving = new AbortController();
  let jobsEnded: () => Promise<void> = () => Promise.resolve();
  let ticks: { stop(): Promise<void> } | null = null;
  const close = async () => {
    for (const { stop } of backwards) await stop?.();
    await ticks?.stop();
    // A training that has just begun must not delay the report of a failed start.
    leaving.abort();
    await queue.close();
    await jobsEnded();
    for (const { close: end } of backwards) await end?.();
    await live.close();
    await db.close();
  };
  try {
    for (const { start } of work) await start?.();
    if (isIn(config, 'worker')) {
      const runtime = {
        ...context,
        jobs: services.jobs,
        scheduler: services.scheduler,
        outsideCompletion: services.outsideCompletion,
        heartbeatTimeoutMs: config.JOB_HEARTBEAT_TIMEOUT_MS,
        leaving: leaving.signal,
      };
      const devices = visibleGpus(readGpus(await askNvidiaSmi()), config.CUDA_VISIBLE_DEVICES);
      const definitions = context.modules.flatMap(({ jobs }) => jobs);
      jobsEnded = await consumeJobs(runtime, definitions, services, {
        slots: config.WORKER_CONCURRENCY,
        cores: config.WORKER_CORES,
        memoryBytes: config.WORKER_MEMORY_BYTES,
        gpus: config.WORKER_GPUS ?? devices.length,
        devices: devices.slice(0, config.WORKER_GPUS),
        queues: config.WORKER_QUEUES,
      });
      ticks = startTicks(context.ticks, logger);
    }
    const http = isIn(config, 'api') ? await startHttp(context) : null;
    return {
      context,
      http,
      close: async () => {
        await http?.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const isIn = ({ ROLE }: Config, role: 'api' | 'worker') => ROLE === 'all' || ROLE === role;
