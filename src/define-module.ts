import type { Logger } from 'pino';
import type { Config } from './config.js';
import type { Entities } from './db/database.js';
import type { Implementations } from './implementations.js';
import type { JobDefinition } from './jobs/engine/define-job.js';
import type { Tick } from './jobs/worker.js';
import type { Loaders } from './loaders.js';
import type { JobKind } from './modules/jobs/index.js';
import type { LineageContribution } from './modules/lineage/index.js';
import type { Batches, EventType } from './modules/platform/index.js';
import type { Endpoint } from './protocols/mlflow/endpoint.js';
import type { Operation } from './protocols/rest/operation.js';
import type { OutcomeDefinition } from './resolvers/jobs/job-outcome.js';
import type { Services } from './services.js';

/** What a module receives. */
export interface ModuleParts extends Implementations {
  config: Config;
  logger: Logger;
  /** The kinds of jobs of all modules. */
  jobKinds: readonly JobKind[];
  /** The nodes and links of lineage graphs of all modules. */
  lineage: readonly LineageContribution[];
  /**
   * While services are built: those of the modules above it in src/modules.ts; any other one throws. For ticks and
   * background work: all services.
   */
  services: Services;
}

/** Work that runs as long as the process. */
export interface BackgroundWork {
  /** The processes in which it runs: those that serve the API, those that run jobs, or all. */
  in: 'api' | 'worker' | 'all';
  start?(): void | Promise<void>;
  /** Takes nothing new. Jobs of this process may still run and use the services. */
  stop?(): void | Promise<void>;
  /** Called after the last request and the last job. */
  close?(): Promise<void>;
}

/** The contributions of a module to the service. The composition root collects them from all modules. */
export interface Module {
  name: string;
  entities: Entities;
  createServices(parts: ModuleParts): Partial<Services>;
  createLoaders(batches: Batches, services: Services): Partial<Loaders>;
  resolvers: readonly Function[];
  /** The lifecycle events that it emits. */
  events: Readonly<Record<string, EventType>>;
  /** Its nodes and links in lineage graphs. */
  lineage: LineageContribution;
  jobs: readonly JobDefinition<Services>[];
  /** The outcomes of its jobs, for the API. */
  jobOutcomes: readonly OutcomeDefinition[];
  mlflowEndpoints: readonly Endpoint[];
  restOperations: readonly Operation[];
  /** For processes that run jobs. */
  createTicks(parts: ModuleParts): Tick[];
  createBackgroundWork(parts: ModuleParts): BackgroundWork[];
}

/** A module with the given contributions; the others are empty. */
export function defineModule(given: Pick<Module, 'name'> & Partial<Module>): Module {
  return {
    entities: [],
    createServices: () => ({}),
    createLoaders: () => ({}),
    resolvers: [],
    events: {},
    lineage: {},
    jobs: [],
    jobOutcomes: [],
    mlflowEndpoints: [],
    restOperations: [],
    createTicks: () => [],
    createBackgroundWork: () => [],
    ...given,
  };
}
