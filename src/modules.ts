// Before any resolver: type-graphql's decorators need it.
import 'reflect-metadata';
import type { Module } from './define-module.js';

/** Every module, a line each, in the order in which their services are built: each may use those of the ones above. */
const MODULES: (() => Promise<{ default: Module }>)[] = [
  () => import('./modules/platform/module.js'),
  () => import('./modules/jobs/module.js'),
  () => import('./modules/uploads/module.js'),
  () => import('./modules/datasets/module.js'),
  () => import('./modules/experiments/module.js'),
  () => import('./modules/artifacts/module.js'),
  () => import('./modules/logged-models/module.js'),
  () => import('./modules/registry/module.js'),
  () => import('./modules/training/module.js'),
  () => import('./modules/evaluation/module.js'),
  () => import('./modules/serving/module.js'),
  () => import('./modules/alerts/module.js'),
  () => import('./modules/monitoring/module.js'),
  () => import('./modules/lineage/module.js'),
  () => import('./modules/exchange/module.js'),
  () => import('./modules/garbage/module.js'),
];

let loaded: Promise<Module[]> | undefined;

/** Loads their code, which takes a second: main.ts begins before it needs them. */
export function loadModules(): Promise<Module[]> {
  loaded ??= Promise.all(MODULES.map(async (load) => (await load()).default));
  return loaded;
}
