import type { Logger } from 'pino';
import type { Config } from './config.js';
import type { Entities } from './db/database.js';
import type { Implementations } from './implementations.js';
import type { JobDefinition } from './jobs/engine/define-job.js';
import type { Tick } from './jobs/worker.js';
import type { Loaders } from './loaders.js';
import type { JobKind } from './modules/jobs/index.js';
import type { Batches } from './modules/platform/index.js';
import type { Endpoint } from './protocols/mlflow/endpoint.js';
import type { Operation } from './protocols/rest/operation.js';
import type { OutcomeDefinition } from './resolvers/jobs/job-outcome.js';
import type { Services } from './services.js';

/** What modules are handed. */
export interface ModuleParts extends Implementations {
  config: Config;
  logger: Logger;
  /** The kinds of jobs of all modules. */
  jobKinds: readonly JobKind[];
  /**
   * While services are built: those of the modules above in src/modules.ts; asking for another throws. For ticks and
   * background work: all.
   */
  services: Services;
}

/** Work that runs as long as the process. */
export interface BackgroundWork {
  /** In which processes: those that serve the API, those that run jobs, or all. */
  in: 'api' | 'worker' | 'all';
  start?(): void | Promise<void>;
  /** Takes nothing new. Jobs of this process may still run, and use the services. */
  stop?(): void | Promise<void>;
  /** After the last request and the last job. */
  close?(): Promise<void>;
}

/** What a capability adds to the service. The composition root asks every module for it. */
export interface Module {
  name: string;
  entities: Entities;
  createServices(parts: ModuleParts): Partial<Services>;
  createLoaders(batches: Batches, services: Services): Partial<Loaders>;
  resolvers: readonly Function[];
  jobs: readonly JobDefinition<Services>[];
  /** What comes out of its jobs, for the API. */
  jobOutcomes: readonly OutcomeDefinition[];
  mlflowEndpoints: readonly Endpoint[];
  restOperations: readonly Operation[];
  /** In processes that run jobs. */
  createTicks(parts: ModuleParts): Tick[];
  createBackgroundWork(parts: ModuleParts): BackgroundWork[];
}

/** A module with what it has; the rest is empty. */
export function defineModule(given: Pick<Module, 'name'> & Partial<Module>): Module {
  return {
    entities: [],
    createServices: () => ({}),
    createLoaders: () => ({}),
    resolvers: [],
    jobs: [],
    jobOutcomes: [],
    mlflowEndpoints: [],
    restOperations: [],
    createTicks: () => [],
    createBackgroundWork: () => [],
    ...given,
  };
}
