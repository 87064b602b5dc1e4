import type { Parameter } from './parameters.js';

export const TASKS = ['CLASSIFICATION', 'REGRESSION', 'CLUSTERING'] as const;
export type Task = (typeof TASKS)[number];

/** The ways in which a model can use a column. A timestamp becomes its parts (UTC), a text its words. */
export const FEATURE_KINDS = ['NUMERIC', 'CATEGORICAL', 'TIMESTAMP', 'TEXT'] as const;
export type FeatureKind = (typeof FEATURE_KINDS)[number];

/** Where a training runs. */
export const BACKENDS = {
  LOCAL: "In processes of its own on the service's machine; the algorithms of Python need PYTHON_PATH.",
  RAY: 'On the Ray cluster of RAY_ADDRESS, in Python.',
} as const;
export type Backend = keyof typeof BACKENDS;

/** How several processes train one network together. */
export const STRATEGIES = {
  DATA_PARALLEL: 'Each process has the whole model and a share of the rows; what they learn is added up.',
  MODEL_PARALLEL: 'Two processes have half of the layers each; a batch passes through one after the other.',
  PIPELINE_PARALLEL:
    'Two processes have half of the layers each; a batch passes in four pieces, on which both work at the same time.',
} as const;
export type Strategy = keyof typeof STRATEGIES;

/** What the trainers have in common; a trainer here works for a whole family. PYTHON: one outside this program. */
export type Family = 'LINEAR' | 'NETWORK' | 'TREES' | 'KMEANS' | 'PYTHON';

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
  /** Whether `earlyStopping` can stop it: it fits in epochs whose validation loss counts. */
  canStopEarly: boolean;
  /** Whether rows can have weights. */
  sampleWeights: boolean;
  backends: readonly Backend[];
  /** Where several processes can train one model. */
  teamsOn: readonly Backend[];
  /** The ways in which they can; the first is the default. */
  strategies: readonly Strategy[];
  featureKinds: readonly FeatureKind[];
  output: 'ONNX';
}

/** Checks the type and keeps the exact one, from which the type of a configuration follows. */
export function defineAlgorithm<const A extends Algorithm>(algorithm: A): A {
  return algorithm;
}
