import type { Registry } from '@prometheus-io/client';
import type { Logger } from 'pino';
import { SecretTokenVerifier } from './adapters/auth/token-verifier.js';
import type { LiveEvents } from './adapters/live-events/port.js';
import type { JobQueue } from './adapters/job-queue/port.js';
import type { ServiceMetrics } from './adapters/metrics/service-metrics.js';
import type { ObjectStore } from './adapters/object-store/port.js';
import { createLoaders, createServices } from './composition.js';
import type { Config } from './config.js';
import type { Database } from './db/database.js';
import type { BackgroundWork, Module } from './define-module.js';
import { createImplementations, type ContextOptions } from './implementations.js';
import type { Tick } from './jobs/worker.js';
import type { Loaders } from './loaders.js';
import { countOpenAlerts } from './modules/alerts/index.js';
import { countJobs } from './modules/jobs/index.js';
import type { KnownTokens, RunInSession } from './modules/platform/index.js';
import type { Services } from './services.js';

/** All parts of a process of the service. */
export interface AppContext {
  config: Config;
  logger: Logger;
  db: Database;
  live: LiveEvents;
  queue: JobQueue;
  objects: ObjectStore;
  modules: readonly Module[];
  services: Services;
  ticks: readonly Tick[];
  backgroundWork: readonly BackgroundWork[];
  tokens: KnownTokens;
  /** Issues tokens with the service's own secret; null when other issuers are configured. */
  localTokens: SecretTokenVerifier | null;
  metrics: ServiceMetrics;
  createLoaders(run: RunInSession): Loaders;
  /** Adds the metrics of this process to /metrics. */
  registerMetrics(registry: Registry, websockets: { sockets(): number; running(): number }): void;
}

/** The composition root: only this function chooses implementations. */
export async function createContext(
  config: Config,
  logger: Logger,
  modules: readonly Module[],
  options: Omit<ContextOptions, 'entities'>,
): Promise<AppContext> {
  const entities = modules.flatMap((module) => module.entities);
  const implementations = await createImplementations(config, logger, { ...options, entities });
  const { db, live, queue, objects, metrics, engines } = implementations;
  const jobKinds = modules.flatMap(({ jobs }) => jobs);
  const lineage = modules.map((module) => module.lineage);
  const services = createServices(modules, { ...implementations, config, logger, jobKinds, lineage });
  const parts = { ...implementations, config, logger, jobKinds, lineage, services };
  return {
    config,
    logger,
    db,
    live,
    queue,
    objects,
    modules,
    services,
    ticks: modules.flatMap((module) => module.createTicks(parts)),
    backgroundWork: modules.flatMap((module) => module.createBackgroundWork(parts)),
    tokens: services.knownTokens,
    localTokens: implementations.tokens instanceof SecretTokenVerifier ? implementations.tokens : null,
    metrics,
    createLoaders: createLoaders(modules, services),
    registerMetrics: (registry, websockets) =>
      metrics.register(registry, {
        figures: () =>
          db.asSystem(async (em) => ({ jobs: await countJobs(em), openAlerts: await countOpenAlerts(em) })),
        engines: {
          online: () => engines.live.stats(),
          background: () => engines.background.stats(),
          ...Object.fromEntries(
            Object.entries(engines.remote).map(([name, engine]) => [name.toLowerCase(), () => engine.stats()]),
          ),
        },
        servers: () => services.serving.serverStatistics(),
        pool: () => db.poolUse(),
        dropped: () => ({
          ...services.serving.dropped(),
          ab_test_key: services.keyCounter.dropped,
          ab_test_answer: services.keptAnswers.dropped,
        }),
        sockets: () => websockets.sockets(),
        subscriptions: () => websockets.running(),
      }),
  };
}
