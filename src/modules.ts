// Before any resolver, because type-graphql's decorators need it.
import 'reflect-metadata';
import type { Module } from './define-module.js';
import { PLATFORM_SETTINGS } from './modules/platform/settings.js';
import { JOBS_SETTINGS } from './modules/jobs/settings.js';
import { UPLOADS_SETTINGS } from './modules/uploads/settings.js';
import { DATASETS_SETTINGS } from './modules/datasets/settings.js';
import { REGISTRY_SETTINGS } from './modules/registry/settings.js';
import { TRAINING_SETTINGS } from './modules/training/settings.js';
import { SCRIPTS_SETTINGS } from './modules/scripts/settings.js';
import { SERVING_SETTINGS } from './modules/serving/settings.js';
import { LANGUAGE_MODELS_SETTINGS } from './modules/language-models/settings.js';
import { AB_TESTS_SETTINGS } from './modules/ab-tests/settings.js';
import { MONITORING_SETTINGS } from './modules/monitoring/settings.js';
import { EXCHANGE_SETTINGS } from './modules/exchange/settings.js';
import type { Settings } from './settings.js';

interface ListedModule {
  load(): Promise<{ default: Module }>;
  /** Loaded before the module's code, to report a wrong setting at once. */
  settings?: Settings;
}

/** Every module, one line each, in the order in which their services are built: each may use those above it. */
const MODULES: ListedModule[] = [
  { load: () => import('./modules/platform/module.js'), settings: PLATFORM_SETTINGS },
  { load: () => import('./modules/jobs/module.js'), settings: JOBS_SETTINGS },
  { load: () => import('./modules/uploads/module.js'), settings: UPLOADS_SETTINGS },
  { load: () => import('./modules/datasets/module.js'), settings: DATASETS_SETTINGS },
  { load: () => import('./modules/experiments/module.js') },
  { load: () => import('./modules/artifacts/module.js') },
  { load: () => import('./modules/logged-models/module.js') },
  { load: () => import('./modules/registry/module.js'), settings: REGISTRY_SETTINGS },
  { load: () => import('./modules/training/module.js'), settings: TRAINING_SETTINGS },
  { load: () => import('./modules/tuning/module.js') },
  { load: () => import('./modules/scripts/module.js'), settings: SCRIPTS_SETTINGS },
  { load: () => import('./modules/ensembles/module.js') },
  { load: () => import('./modules/evaluation/module.js') },
  { load: () => import('./modules/serving/module.js'), settings: SERVING_SETTINGS },
  { load: () => import('./modules/language-models/module.js'), settings: LANGUAGE_MODELS_SETTINGS },
  { load: () => import('./modules/ab-tests/module.js'), settings: AB_TESTS_SETTINGS },
  { load: () => import('./modules/alerts/module.js') },
  { load: () => import('./modules/monitoring/module.js'), settings: MONITORING_SETTINGS },
  { load: () => import('./modules/rollouts/module.js') },
  { load: () => import('./modules/schedules/module.js') },
  { load: () => import('./modules/lineage/module.js') },
  { load: () => import('./modules/exchange/module.js'), settings: EXCHANGE_SETTINGS },
  { load: () => import('./modules/garbage/module.js') },
];

export const MODULE_SETTINGS: Settings = Object.assign({}, ...MODULES.map(({ settings }) => settings));

let loaded: Promise<Module[]> | undefined;

/** Loads the code of all modules, which takes a second: main.ts starts this before it needs them. */
export function loadModules(): Promise<Module[]> {
  loaded ??= Promise.all(MODULES.map(async ({ load }) => (await load()).default));
  return loaded;
}
