import type { Registry } from '@prometheus-io/client';
import type { Logger } from 'pino';
import { SecretTokenVerifier } from './adapters/auth/token-verifier.js';
import type { JobQueue } from './adapters/job-queue/port.js';
import type { LiveEvents } from './adapters/live-events/port.js';
import type { ServiceMetrics } from './adapters/metrics/service-metrics.js';
import type { ObjectStore } from './adapters/object-store/port.js';
import type { Config } from './config.js';
import { createImplementations, type ContextOptions } from './implementations.js';
import { createServices } from './composition.js';
import type { Database } from './db/database.js';
import { readFigures, type KnownTokens } from './modules/platform/index.js';
import type { Services } from './services.js';
import type { Serving } from './modules/serving/index.js';

/** Everything a process of the service is made of. */
export interface AppContext {
  config: Config;
  logger: Logger;
  db: Database;
  live: LiveEvents;
  queue: JobQueue;
  objects: ObjectStore;
  tokens: KnownTokens;
  /** Issues tokens of the installation's own secret; null where others issue them. */
  localTokens: SecretTokenVerifier | null;
  services: Services;
  serving: Serving;
  metrics: ServiceMetrics;
  /** Adds what this process counts to what /metrics shows. */
  registerMetrics(registry: Registry, websockets: { sockets(): number; running(): number }): void;
  close(): Promise<void>;
}

/** The composition root: the only place that chooses implementations. */
export async function createContext(config: Config, logger: Logger, options: ContextOptions): Promise<AppContext> {
  const implementations = await createImplementations(config, logger, options);
  const { db, live, queue, objects, metrics, engine, backgroundEngine } = implementations;
  const { services, serving, tokens } = createServices(config, logger, implementations);
  return {
    config,
    logger,
    db,
    live,
    queue,
    objects,
    tokens,
    localTokens: implementations.tokens instanceof SecretTokenVerifier ? implementations.tokens : null,
    services,
    serving,
    metrics,
    registerMetrics: (registry, websockets) =>
      metrics.register(registry, {
        figures: () => readFigures(db),
        engines: { online: () => engine.stats(), background: () => backgroundEngine.stats() },
        pool: () => db.poolUse(),
        dropped: () => serving.dropped(),
        sockets: () => websockets.sockets(),
        subscriptions: () => websockets.running(),
      }),
    close: async () => {
      await serving.stop();
      await queue.close();
      // What the last jobs have begun and told.
      await services.versionStorage.idle();
      await services.events.stop();
      await tokens.close();
      await live.close();
      await db.close();
    },
  };
}
