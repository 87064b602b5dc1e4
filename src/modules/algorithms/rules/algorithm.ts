import type { Parameter } from './parameters.js';

export const TASKS = ['CLASSIFICATION', 'REGRESSION', 'CLUSTERING'] as const;
export type Task = (typeof TASKS)[number];

/** The ways in which a model can use a column. A timestamp becomes its parts (UTC), a text its words. */
export const FEATURE_KINDS = ['NUMERIC', 'CATEGORICAL', 'TIMESTAMP', 'TEXT'] as const;
export type FeatureKind = (typeof FEATURE_KINDS)[number];

/** Where a training runs. */
export const BACKENDS = {
  LOCAL: "In a process of its own on the service's machine.",
  RAY: 'On the Ray cluster of RAY_ADDRESS, in Python.',
} as const;
export type Backend = keyof typeof BACKENDS;

/** What the trainers have in common; a trainer here works for a whole family. */
export type Family = 'LINEAR' | 'NETWORK' | 'TREES' | 'KMEANS' | 'FOREST';

/** An algorithm as data. Its name is a value of the enum Algorithm; clients read the rest as `algorithms`. */
export interface Algorithm {
  name: string;
  /** What it fits, in a sentence for clients. */
  about: string;
  task: Task;
  family: Family;
  /** In the order of a form; a default that is a function sees those before it. */
  parameters: Readonly<Record<string, Parameter>>;
  /** Whether the training stops early by itself when neither `epochs` nor `earlyStopping` is given. */
  stopsEarly: boolean;
  /** Whether rows can have weights. */
  sampleWeights: boolean;
  backends: readonly Backend[];
  featureKinds: readonly FeatureKind[];
  output: 'ONNX';
}

/** Checks the type and keeps the exact one, from which the type of a configuration follows. */
export function defineAlgorithm<const A extends Algorithm>(algorithm: A): A {
  return algorithm;
}
