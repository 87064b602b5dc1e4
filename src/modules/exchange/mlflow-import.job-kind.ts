import { z } from 'zod';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS } from '../jobs/index.js';

const count = z.int().min(0).default(0);
const outcomes = z.object({ added: count, changed: count, unchanged: count }).prefault({});
/** What an import has done so far, in all its attempts. */
const tally = z.object({
  experiments: outcomes,
  runs: outcomes,
  loggedModels: outcomes,
  models: outcomes,
  modelVersions: outcomes,
  metricPoints: count,
  artifacts: count,
  artifactBytes: count,
  aliases: count,
  stages: count,
  /** Objects that were not imported, with the reason; the first hundred. */
  problems: z.array(z.object({ thing: z.string(), reason: z.string() })).default([]),
  problemCount: count,
});
export type ImportTally = z.output<typeof tally>;
export type Outcomes = z.output<typeof outcomes>;

const input = z.object({
  server: z.string(),
  /** Null for all. */
  experimentNames: z.array(z.string()).nullable(),
  /** Null for all. */
  modelNames: z.array(z.string()).nullable(),
  withArtifacts: z.boolean(),
  withDeleted: z.boolean(),
  keepStages: z.boolean(),
});
export type ImportConfig = z.output<typeof input>;

export const MLFLOW_IMPORT = defineJobKind({
  kind: 'MLFLOW_IMPORT',
  about: 'Imports the content of another MLflow tracking server.',
  input,
  soFar: tally,
  result: tally,
  resources: { cores: 0.25, memoryBytes: 0.25 * GIB, gpus: 0 },
  maxAtOnce: 1,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 24 * HOUR_MS,
});

/** The state at the start of an import. */
export const noTally = (): ImportTally => tally.parse({});
