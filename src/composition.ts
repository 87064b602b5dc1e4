import type { GraphQLSchema } from 'graphql';
import type { Module, ModuleParts } from './define-module.js';
import type { Loaders } from './loaders.js';
import { Batches, type RunInSession } from './modules/platform/index.js';
import { loadModules } from './modules.js';
import { createSchema } from './resolvers/schema.js';
import type { Services } from './services.js';

/** The services of all modules. Each is built with those of the modules before it. */
export function createServices(modules: readonly Module[], parts: Omit<ModuleParts, 'services'>): Services {
  const built: Partial<Services> = {};
  for (const { name, createServices: create } of modules) {
    const services = new Proxy(built as Services, {
      get: (target, key) => {
        if (key in target) return target[key as keyof Services];
        throw new Error(`The module ${name} asks for the service ${String(key)}, which no module before it builds.`);
      },
    });
    for (const [key, service] of Object.entries(create({ ...parts, services }))) {
      if (key in built) throw new Error(`The module ${name} builds the service ${key} for a second time.`);
      Object.assign(built, { [key]: service });
    }
  }
  return built as Services;
}

/** Creates the loaders of one request. */
export function createLoaders(modules: readonly Module[], services: Services): (run: RunInSession) => Loaders {
  return (run) => {
    const batches = new Batches(run);
    return Object.assign({}, ...modules.map((module) => module.createLoaders(batches, services))) as Loaders;
  };
}

/** The schema of all modules. */
export async function serviceSchema(): Promise<GraphQLSchema> {
  return createSchema(await loadModules());
}
