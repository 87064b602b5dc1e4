import type { Algorithm, Family, Task } from './algorithm.js';
import { boostedTreesClassifier, boostedTreesRegressor } from './entries/boosted-trees.js';
import { kmeans } from './entries/kmeans.js';
import { lightgbmClassifier, lightgbmRegressor } from './entries/lightgbm.js';
import { linearRegression, logisticRegression } from './entries/linear-models.js';
import { mlpClassifier, mlpRegressor } from './entries/networks.js';
import { pytorchClassifier, pytorchRegressor } from './entries/pytorch.js';
import { randomForestClassifier, randomForestRegressor } from './entries/random-forest.js';
import { xgboostClassifier, xgboostRegressor } from './entries/xgboost.js';
import type { Condition, ParameterSearch } from './parameters.js';

/** Every algorithm. A new one is one file beside the others, and one line here. */
export const ALGORITHMS = [
  logisticRegression,
  linearRegression,
  mlpClassifier,
  mlpRegressor,
  boostedTreesClassifier,
  boostedTreesRegressor,
  kmeans,
  randomForestClassifier,
  randomForestRegressor,
  xgboostClassifier,
  xgboostRegressor,
  lightgbmClassifier,
  lightgbmRegressor,
  pytorchClassifier,
  pytorchRegressor,
] as const;

export type AnyAlgorithm = (typeof ALGORITHMS)[number];
export type AlgorithmName = AnyAlgorithm['name'];
/** The names of a family's algorithms. */
export type NameIn<F extends Family> = Extract<AnyAlgorithm, { family: F }>['name'];

export const ALGORITHM_NAMES = ALGORITHMS.map(({ name }) => name);

const byName = new Map<AlgorithmName, Algorithm>(ALGORITHMS.map((algorithm) => [algorithm.name, algorithm]));

export function algorithmOf(name: AlgorithmName): Algorithm {
  return byName.get(name)!;
}

export function taskOf(name: AlgorithmName): Task {
  return algorithmOf(name).task;
}

/**
 * Where a search looks by default: the parameters that have a search space. One that depends on a parameter with a
 * fixed value is there if that value allows it.
 */
export function searchSpaceOf({ parameters }: Algorithm): ({ name: string; when?: Condition } & ParameterSearch)[] {
  return Object.entries(parameters).flatMap(([name, { search, when }]) => {
    if (!search) return [];
    const parent = when && parameters[when.parameter];
    if (!when || parent?.search) return [{ name, ...(when && { when }), ...search }];
    return when.oneOf.some((value) => value === parent?.default) ? [{ name, ...search }] : [];
  });
}
