import { z } from 'zod';
import { cutText } from '../../core/index.js';
import type { Stage } from '../../registry/index.js';

/** The answers of MLflow's REST protocol, as far as the import uses them. MLflow leaves out empty lists. */
const text = z.string();
/** 64-bit integers come as numbers or as texts. */
const whole = z.coerce.number();
const listOf = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .optional()
    .transform((items) => items ?? []);
const pair = z.object({ key: text, value: text.default('') });
/** JSON has no numbers for NaN and the infinities. */
const double = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const pageToken = text.optional().transform((token) => (token === '' ? undefined : token));

const experiment = z.object({
  experiment_id: text,
  name: text,
  lifecycle_stage: text.default('active'),
  creation_time: whole.optional(),
  tags: listOf(pair),
});
export type RemoteExperiment = z.infer<typeof experiment>;

const point = z.object({ key: text, value: double.default(0), timestamp: whole.default(0), step: whole.default(0) });
export type RemotePoint = z.infer<typeof point>;

const run = z.object({
  info: z.object({
    run_id: text,
    run_name: text.default(''),
    user_id: text.optional(),
    status: text.default('RUNNING'),
    start_time: whole.optional(),
    end_time: whole.optional(),
    artifact_uri: text.default(''),
    lifecycle_stage: text.default('active'),
  }),
  data: z
    .object({ metrics: listOf(point), params: listOf(pair), tags: listOf(pair) })
    .optional()
    .transform((data) => data ?? { metrics: [], params: [], tags: [] }),
  inputs: z
    .object({
      dataset_inputs: listOf(
        z.object({
          tags: listOf(pair),
          dataset: z.object({
            name: text,
            digest: text,
            source_type: text,
            source: text.default(''),
            schema: text.optional(),
            profile: text.optional(),
          }),
        }),
      ),
      model_inputs: listOf(z.object({ model_id: text })),
    })
    .optional()
    .transform((inputs) => inputs ?? { dataset_inputs: [], model_inputs: [] }),
  outputs: z
    .object({ model_outputs: listOf(z.object({ model_id: text, step: whole.default(0) })) })
    .optional()
    .transform((outputs) => outputs ?? { model_outputs: [] }),
});
export type RemoteRun = z.infer<typeof run>;

const loggedModel = z.object({
  info: z.object({
    model_id: text,
    name: text,
    creation_timestamp_ms: whole.optional(),
    artifact_uri: text.default(''),
    status: z.union([text, z.number()]).optional(),
    model_type: text.optional(),
    source_run_id: text.optional(),
    tags: listOf(pair),
  }),
  data: z
    .object({
      params: listOf(pair),
      metrics: listOf(
        point.extend({ run_id: text.optional(), dataset_name: text.optional(), dataset_digest: text.optional() }),
      ),
    })
    .optional()
    .transform((data) => data ?? { params: [], metrics: [] }),
});
export type RemoteLoggedModel = z.infer<typeof loggedModel>;

const registeredModel = z.object({
  name: text,
  creation_timestamp: whole.optional(),
  description: text.default(''),
  tags: listOf(pair),
  aliases: listOf(z.object({ alias: text, version: z.coerce.string() })),
});
export type RemoteModel = z.infer<typeof registeredModel>;

const modelVersion = z.object({
  name: text,
  version: whole,
  creation_timestamp: whole.optional(),
  current_stage: text.default('None'),
  description: text.default(''),
  source: text.default(''),
  run_id: text.optional(),
  run_link: text.optional(),
  model_id: text.optional(),
  tags: listOf(pair),
});
export type RemoteVersion = z.infer<typeof modelVersion>;

const files = listOf(z.object({ path: text, is_dir: z.boolean().default(false), file_size: whole.optional() }));

export const ANSWERS = {
  experiment: z.object({ experiment }),
  experiments: z.object({ experiments: listOf(experiment), next_page_token: pageToken }),
  experimentId: z.object({ experiment_id: text }),
  run: z.object({ run }),
  runs: z.object({ runs: listOf(run), next_page_token: pageToken }),
  points: z.object({ metrics: listOf(point), next_page_token: pageToken }),
  loggedModels: z.object({ models: listOf(loggedModel), next_page_token: pageToken }),
  models: z.object({ registered_models: listOf(registeredModel), next_page_token: pageToken }),
  model: z.object({ registered_model: registeredModel }),
  versions: z.object({ model_versions: listOf(modelVersion), next_page_token: pageToken }),
  version: z.object({ model_version: modelVersion }),
  files: z.object({ files, next_page_token: pageToken }),
} as const;

const STAGES: Record<string, Stage> = { Staging: 'STAGING', Production: 'PRODUCTION', Archived: 'ARCHIVED' };

/** DEVELOPMENT for None and for unknown stages. */
export const stageOfRemote = (stage: string): Stage => STAGES[stage] ?? 'DEVELOPMENT';

const STATUSES = ['RUNNING', 'FINISHED', 'FAILED', 'KILLED'] as const;

/** A run that is scheduled on the other server counts as running here. */
export function statusOfRemote(status: string): (typeof STATUSES)[number] {
  return STATUSES.find((known) => known === status) ?? 'RUNNING';
}

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Makes another server's name valid here: visible and not too long. `instead` is used when no character is left. */
export function visibleName(name: string, instead: string, maxLength = 200): string {
  return cutText(name.replace(INVISIBLE, '').trim(), maxLength).trim() || instead;
}

/** The path behind MLflow's artifact proxy; null for files that the other server does not serve itself. */
export function proxyPath(artifactUri: string): string | null {
  const match = /^mlflow-artifacts:(?:\/\/[^/]*)?\/+(.*)$/.exec(artifactUri);
  return match ? (match[1] ?? '').replace(/\/+$/, '') : null;
}

/** The place of a version's files among those of its run or logged model; null when the source is somewhere else. */
export function sourceWithin(source: string, artifactUri: string | null, runId: string | null): string | null {
  const within = (root: string) =>
    source === root ? '' : source.startsWith(`${root}/`) ? source.slice(root.length + 1) : null;
  if (runId !== null && source.startsWith(`runs:/${runId}/`)) return source.slice(`runs:/${runId}/`.length);
  return artifactUri === null || artifactUri === '' ? null : within(artifactUri.replace(/\/+$/, ''));
}
