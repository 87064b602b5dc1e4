import type { Model } from '../../../db/entities/registry/model.entity.js';
import type { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import type { Stage, ListedVersion, NumberedAlias } from '../../../modules/registry/index.js';
import { toHexId } from '../../../modules/core/index.js';
import { invalidParameter } from '../errors.js';
import { toEntries } from '../experiments/views.js';

/** MLflow's names of the stages. */
const STAGES: Record<Stage, string> = {
  DEVELOPMENT: 'None',
  STAGING: 'Staging',
  PRODUCTION: 'Production',
  ARCHIVED: 'Archived',
};
const STATUSES = { PENDING: 'PENDING_REGISTRATION', READY: 'READY', FAILED: 'FAILED_REGISTRATION' } as const;

export function fromStage(text: string): Stage {
  const stage = (Object.keys(STAGES) as Stage[]).find((known) => STAGES[known].toLowerCase() === text.toLowerCase());
  if (stage) return stage;
  throw invalidParameter(
    `Invalid Model Version stage: ${text}. Value must be one of ${Object.values(STAGES).join(', ')}.`,
  );
}

const list = <Name extends string, T>(name: Name, items: T[]) => (items.length > 0 ? { [name]: items } : {});

/** The place of a version's files: what the client named, or the folder of a model that was trained here. */
export function sourceOf(version: ListedVersion): string {
  return version.sourceUri ?? `matih:/model-versions/${version.id}`;
}

export function toModelVersion(version: ListedVersion, modelName: string, aliases: readonly string[] = []): object {
  return {
    name: modelName,
    version: String(version.version),
    creation_timestamp: version.createdAt.getTime(),
    last_updated_timestamp: version.updatedAt.getTime(),
    current_stage: STAGES[version.stage as Stage],
    description: version.description,
    source: sourceOf(version),
    run_id: version.runId ? toHexId(version.runId) : '',
    status: STATUSES[version.status as keyof typeof STATUSES],
    ...(version.error && { status_message: version.error }),
    ...list('tags', toEntries(version.tags)),
    run_link: version.runLink ?? '',
    ...list('aliases', [...aliases]),
  };
}

export function toRegisteredModel(
  model: Model,
  latest: readonly ModelVersion[],
  aliases: readonly NumberedAlias[],
): object {
  return {
    name: model.name,
    creation_timestamp: model.createdAt.getTime(),
    last_updated_timestamp: model.updatedAt.getTime(),
    ...(model.description && { description: model.description }),
    ...list(
      'latest_versions',
      latest.map((version) => toModelVersion(version, model.name)),
    ),
    ...list('tags', toEntries(model.tags)),
    ...list(
      'aliases',
      aliases.map(({ alias, version }) => ({ alias, version: String(version) })),
    ),
  };
}
