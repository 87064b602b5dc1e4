import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Model } from '../../db/entities/registry/model.entity.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { EventType } from '../../domain/platform/events.js';
import { withoutTag, withTags } from '../../domain/registry/tags.js';
import { AppError, ErrorCode, quote } from '../../errors.js';
import { audit, emitEvent } from '../platform/use-case.js';
import type { TagEntry } from '../tracking/experiment.service.js';
import type { ModelService } from './model.service.js';
import type { ModelVersionService } from './model-version.service.js';

/** What a tag is on; the version is null for a tag of the model itself. */
interface Tagged {
  subject: { type: string; id: string };
  modelId: string;
  modelName: string;
  version: number | null;
}

/** Single tags of models and versions, the others staying as they are whoever sets them meanwhile. */
export class RegistryTagService {
  constructor(
    private readonly live: LiveEvents,
    private readonly models: ModelService,
    private readonly versions: ModelVersionService,
  ) {}

  async setOnModel(session: Session, input: { modelId: string; tags: TagEntry[] }): Promise<Model> {
    const model = await this.models.lock(session, input.modelId);
    return this.set(session, 'setModelTags', ofModel(model), model, input.tags);
  }

  /** NOT_FOUND when it has no tag with the key. */
  async deleteFromModel(session: Session, input: { modelId: string; key: string }): Promise<Model> {
    const model = await this.models.lock(session, input.modelId);
    return this.delete(session, 'deleteModelTag', ofModel(model), model, input.key);
  }

  async setOnVersion(session: Session, input: { modelVersionId: string; tags: TagEntry[] }): Promise<ModelVersion> {
    const version = await this.versions.lock(session, input.modelVersionId);
    return this.set(session, 'setModelVersionTags', await this.ofVersion(session, version), version, input.tags);
  }

  /** NOT_FOUND when it has no tag with the key. */
  async deleteFromVersion(session: Session, input: { modelVersionId: string; key: string }): Promise<ModelVersion> {
    const version = await this.versions.lock(session, input.modelVersionId);
    return this.delete(session, 'deleteModelVersionTag', await this.ofVersion(session, version), version, input.key);
  }

  private async ofVersion(session: Session, { id, modelId, version }: ModelVersion): Promise<Tagged> {
    const { name } = await this.models.get(session, modelId);
    return { subject: { type: 'modelVersion', id }, modelId, modelName: name, version };
  }

  private tell(session: Session, { subject, modelId, modelName, version }: Tagged, key: string, value: string | null): void {
    const payload = { modelName, version, key, value };
    emitEvent(session, this.live, EventType.MODEL_TAG_CHANGED, subject, payload, { modelId });
  }

  private set<T extends Model | ModelVersion>(session: Session, action: string, tagged: Tagged, of: T, entries: TagEntry[]): T {
    const keys = entries.map(({ key }) => key);
    const before = pick(of.tags, keys);
    of.tags = withTags(of.tags, 'input.tags', entries);
    const after = pick(of.tags, keys);
    audit(session, action, tagged.subject, { tags: before }, { tags: after });
    for (const [key, value] of Object.entries(after)) this.tell(session, tagged, key, value);
    return of;
  }

  private delete<T extends Model | ModelVersion>(session: Session, action: string, tagged: Tagged, of: T, key: string): T {
    const tags = withoutTag(of.tags, key);
    if (tags === null) throw new AppError(ErrorCode.NOT_FOUND, `No tag with key ${quote(key)}.`, { field: 'input.key', got: quote(key) });
    audit(session, action, tagged.subject, { tags: pick(of.tags, [key]) }, { tags: {} });
    this.tell(session, tagged, key, null);
    of.tags = tags;
    return of;
  }
}

function ofModel({ id, name }: Model): Tagged {
  return { subject: { type: 'model', id }, modelId: id, modelName: name, version: null };
}

function pick(tags: Record<string, string>, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => keys.includes(key)));
}
