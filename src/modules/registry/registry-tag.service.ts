import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Model } from '../../db/entities/registry/model.entity.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { taskOfTags } from './rules/model-task.js';
import { changeRecord, type RecordChange } from '../../db/json-record.js';
import { checkSetSize, registryTags } from '../core/index.js';
import { AppError, ErrorCode, quote } from '../../errors.js';
import { audit } from '../platform/index.js';
import type { TagEntry } from '../experiments/index.js';
import type { ModelService } from './model.service.js';
import type { ModelVersionService } from './model-version.service.js';
import { type Tagged, taggedModel, taggedVersion, emitTagEvents } from './tag-events.js';

/** Sets and deletes single tags of models and versions; concurrent changes of other tags are kept. */
export class RegistryTagService {
  constructor(
    private readonly live: LiveEvents,
    private readonly models: ModelService,
    private readonly versions: ModelVersionService,
  ) {}

  async setOnModel(session: Session, input: { modelId: string; tags: TagEntry[] }): Promise<Model> {
    const model = await this.models.lock(session, input.modelId);
    await this.models.setTaskFromTags(session, model, input.tags);
    return this.set(session, 'setModelTags', taggedModel(model), model, input.tags);
  }

  /** NOT_FOUND when the model does not have this tag. */
  async deleteFromModel(session: Session, input: { modelId: string; key: string }): Promise<Model> {
    const model = await this.models.lock(session, input.modelId);
    return this.delete(session, 'deleteModelTag', taggedModel(model), model, input.key);
  }

  async setOnVersion(session: Session, input: { modelVersionId: string; tags: TagEntry[] }): Promise<ModelVersion> {
    // The model's lock comes before the version's lock, as everywhere.
    if (taskOfTags('input.tags', input.tags) !== null) {
      const { modelId } = await this.versions.get(session, input.modelVersionId);
      await this.models.setTaskFromTags(session, await this.models.lock(session, modelId), input.tags);
    }
    const version = await this.versions.lock(session, input.modelVersionId);
    return this.set(session, 'setModelVersionTags', await this.ofVersion(session, version), version, input.tags);
  }

  /** NOT_FOUND when the version does not have this tag. */
  async deleteFromVersion(session: Session, input: { modelVersionId: string; key: string }): Promise<ModelVersion> {
    const version = await this.versions.lock(session, input.modelVersionId);
    return this.delete(session, 'deleteModelVersionTag', await this.ofVersion(session, version), version, input.key);
  }

  private async ofVersion(session: Session, version: ModelVersion): Promise<Tagged> {
    const { name } = await this.models.get(session, version.modelId);
    return taggedVersion(version, name);
  }

  private async set<T extends Model | ModelVersion>(
    session: Session,
    action: string,
    tagged: Tagged,
    of: T,
    entries: TagEntry[],
  ): Promise<T> {
    const after = registryTags('input.tags', entries);
    const { before, ...size } = await this.write(session, tagged, of, after);
    checkSetSize('input.tags', size);
    audit(session, action, tagged.subject, { tags: before }, { tags: after });
    emitTagEvents(session, this.live, tagged, after);
    return of;
  }

  private async delete<T extends Model | ModelVersion>(
    session: Session,
    action: string,
    tagged: Tagged,
    of: T,
    key: string,
  ): Promise<T> {
    const { before } = await this.write(session, tagged, of, {}, [key]);
    if (!Object.hasOwn(before, key))
      throw new AppError(ErrorCode.NOT_FOUND, `No tag with key ${quote(key)}.`, {
        field: 'input.key',
        got: quote(key),
      });
    audit(session, action, tagged.subject, { tags: before }, { tags: {} });
    emitTagEvents(session, this.live, tagged, { [key]: null });
    return of;
  }

  /** Does not change `updatedAt`: a tag does not change its model or version, as in MLflow's registry. */
  private async write(
    session: Session,
    { subject }: Tagged,
    of: Model | ModelVersion,
    set: Record<string, string>,
    drop: string[] = [],
  ): Promise<RecordChange> {
    // Saves other changes before `refresh` discards them.
    await session.em.flush();
    const table = subject.type === 'model' ? 'model' : 'model_version';
    const place = { table, column: 'tags', tenant: session.tenant, id: of.id } as const;
    const change = await changeRecord(session.em, place, set, drop);
    await session.em.refresh(of);
    return change;
  }
}
