import { LockMode, type FilterQuery } from '@mikro-orm/core';
import { raw } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { likePattern, audit, emitEvent, takeTenantLock } from '../platform/index.js';
import { checkName, checkModelName, checkTags, registryTags, tagChanges } from '../core/index.js';
import { type GatePolicyEntries, parseGatePolicy } from '../model-quality/index.js';
import { guessTask, type TaskHints, taskOfTags } from './rules/model-task.js';
import type { Stage } from './rules/stages.js';
import { conflict, notFound, notFoundByName } from '../../errors.js';
import type { TagEntry } from '../experiments/index.js';
import { changeTask } from './model-task.js';
import { newModelFolder } from './model-folder.js';
import { taggedModel, emitTagEvents } from './tag-events.js';
import type { VersionRemoval } from './version-removal.js';
import { REGISTRY_EVENTS } from './events.js';

export interface NewModel {
  name: string;
  description?: string | null;
  modelType: string;
  framework?: string | null;
  /** When absent, a tag decides; without one, the service guesses the task from the versions. */
  task?: Model['task'];
  tags?: TagEntry[] | null;
}

export interface ModelFilter {
  search?: string | null;
  stage?: Stage | null;
  /** The stage of the version with the highest number. */
  latestStage?: Stage | null;
  framework?: string | null;
  modelType?: string | null;
  task?: Model['task'] | null;
  tags?: TagEntry[] | null;
}

/** The columns in which a text is searched. */
const SEARCHED =
  '(name ilike ? or description ilike ? or exists (select 1 from jsonb_each_text(tags) t where t.key ilike ? ' +
  'or t.value ilike ?))';
const OF_FRAMEWORK =
  '(framework = ? or id in (select v.model_id from model_version v where v.tenant = ? and v.framework = ?))';
const LATEST_IN_STAGE = `id in (select v.model_id from model_version v where v.tenant = ? and v.stage = ?
  and not exists (select 1 from model_version newer where newer.tenant = v.tenant and newer.model_id = v.model_id
    and newer.version > v.version))`;

/** Registered models: names with numbered versions. */
export class ModelService {
  constructor(
    private readonly live: LiveEvents,
    private readonly removal: VersionRemoval,
  ) {}

  async create(session: Session, input: NewModel): Promise<Model> {
    const name = checkModelName('input.name', input.name);
    await this.requireFree(session, name);
    return this.add(session, { ...input, name }, 'createModel');
  }

  /** The model of this name; created when it does not exist. CONFLICT when the existing one has another task. */
  async getOrCreate(session: Session, input: NewModel): Promise<{ model: Model; created: boolean }> {
    const name = checkModelName('input.name', input.name);
    const where = { tenant: session.tenant, name };
    let model = await session.em.findOne(Model, where);
    if (!model) {
      await takeTenantLock(session, lockNameOf(name));
      model = await session.em.findOne(Model, where);
    }
    if (!model) return { model: await this.add(session, { ...input, name }, 'getOrCreateModel'), created: true };
    if (input.task !== undefined && model.taskGuessed) {
      const guessed = await this.lock(session, model.id);
      const before = { task: guessed.task };
      if (await changeTask(session, guessed, input.task, 'input.task'))
        audit(session, 'getOrCreateModel', { type: 'model', id: guessed.id }, before, { task: guessed.task });
      return { model: guessed, created: false };
    }
    if (model.task !== input.task) {
      throw conflict(
        `Model "${name}" exists and its task is ${model.task}: ask for that task, or choose another name.`,
        {
          field: 'input.task',
          expected: model.task,
          got: input.task,
        },
      );
    }
    return { model, created: false };
  }

  private async add(session: Session, input: NewModel, action: string): Promise<Model> {
    const { name } = input;
    const task = input.task ?? taskOfTags('input.tags', input.tags ?? []);
    const model = session.em.create(Model, {
      tenant: session.tenant,
      name,
      folder: await newModelFolder(session, name),
      description: input.description ?? '',
      modelType: checkName('input.modelType', input.modelType),
      framework: checkName('input.framework', input.framework ?? 'onnx'),
      task: task ?? 'OTHER',
      taskGuessed: task === null,
      tags: registryTags('input.tags', input.tags ?? []),
      createdBy: session.principal.subject,
    });
    const subject = { type: 'model', id: model.id };
    audit(session, action, subject, null, { name, modelType: model.modelType, task: model.task });
    const payload = { modelName: name, description: model.description, tags: model.tags };
    emitEvent(session, this.live, REGISTRY_EVENTS.MODEL_CREATED, subject, payload, { modelId: model.id });
    return model;
  }

  /** After a change of the name, the files stay where they are. */
  async update(
    session: Session,
    input: {
      id: string;
      name?: string | null;
      description?: string | null;
      task?: Model['task'] | null;
      tags?: TagEntry[] | null;
    },
  ): Promise<Model> {
    const model = await this.lock(session, input.id);
    const shown = ({ name, description, task, tags }: Model) => ({ name, description, task, tags });
    const before = shown(model);
    if (input.name != null && input.name !== model.name) {
      await this.requireFree(session, checkModelName('input.name', input.name));
      model.name = input.name;
    }
    if (input.description != null) model.description = input.description;
    if (input.tags != null) model.tags = registryTags('input.tags', input.tags);
    const task = input.task ?? taskOfTags('input.tags', input.tags ?? []);
    if (task !== null) await changeTask(session, model, task, 'input.task');
    audit(session, 'updateModel', { type: 'model', id: model.id }, before, shown(model));
    emitTagEvents(session, this.live, taggedModel(model), tagChanges(before.tags, model.tags));
    return model;
  }

  /** Sets the task from a tag of the model or of one of its versions. The caller holds the model's lock. */
  async setTaskFromTags(session: Session, model: Model, tags: readonly TagEntry[]): Promise<void> {
    const task = taskOfTags('input.tags', tags);
    if (task === null) return;
    const before = { task: model.task };
    if (await changeTask(session, model, task, 'input.tags'))
      audit(session, 'updateModel', { type: 'model', id: model.id }, before, { task: model.task });
  }

  /** Sets the task that a version suggests, unless somebody has set it. */
  async guessTask(session: Session, modelId: string, hints: TaskHints): Promise<void> {
    const guess = guessTask(hints);
    if (guess === null) return;
    const model = await this.lock(session, modelId);
    if (!model.taskGuessed || model.task !== 'OTHER') return;
    model.task = guess;
    audit(session, 'guessModelTask', { type: 'model', id: model.id }, { task: 'OTHER' }, { task: guess });
  }

  /**
   * Replaces the model's changes to the default gate policy; null returns to the defaults. Gate results by other
   * conditions stop counting.
   */
  async setGatePolicy(session: Session, input: { modelId: string; policy?: GatePolicyEntries | null }): Promise<Model> {
    const model = await this.lock(session, input.modelId);
    const before = { gatePolicy: model.gatePolicy ?? null };
    model.gatePolicy = input.policy == null ? null : parseGatePolicy('input.policy', input.policy);
    audit(session, 'setGatePolicy', { type: 'model', id: model.id }, before, { gatePolicy: model.gatePolicy });
    return model;
  }

  /** Deletes the model and its versions. No version may be deployed or belong to the production history. */
  async delete(session: Session, id: string): Promise<Model> {
    const model = await this.lock(session, id);
    const endpoints = await session.em.find(Endpoint, { tenant: session.tenant, modelId: id }, { limit: 3 });
    if (endpoints.length > 0) {
      const names = endpoints.map(({ name }) => name).join(', ');
      throw conflict(`Model "${model.name}" is served by endpoints (${names}): delete them first.`, {
        expected: 'a model without endpoints',
        got: names,
      });
    }
    const versions = await session.em.find(ModelVersion, { tenant: session.tenant, modelId: id });
    await this.removal.remove(session, versions);
    await session.em.nativeDelete(Model, { tenant: session.tenant, id });
    audit(session, 'deleteModel', { type: 'model', id }, { name: model.name, versions: versions.length }, null);
    return model;
  }

  private async requireFree(session: Session, name: string): Promise<void> {
    const where = { tenant: session.tenant, name };
    if ((await session.em.count(Model, where)) === 0) {
      await takeTenantLock(session, lockNameOf(name));
      if ((await session.em.count(Model, where)) === 0) return;
    }
    throw conflict(`A model named "${name}" already exists.`, {
      field: 'input.name',
      expected: 'a free name',
      got: name,
    });
  }

  async get(session: Session, id: string): Promise<Model> {
    const model = await session.em.findOne(Model, { id, tenant: session.tenant });
    if (!model) throw notFound('model', id);
    return model;
  }

  async getByName(session: Session, name: string): Promise<Model> {
    const model = await session.em.findOne(Model, { name, tenant: session.tenant });
    if (!model) throw notFoundByName('model', name);
    return model;
  }

  /** Locks the model; others who want to change its versions or stages wait. */
  async lock(session: Session, id: string): Promise<Model> {
    const model = await session.em.findOne(
      Model,
      { id, tenant: session.tenant },
      { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    if (!model) throw notFound('model', id);
    return model;
  }

  list(
    session: Session,
    filter: ModelFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'updatedAt' | 'name' | 'lastVersion'>,
  ): Promise<Page<Model>> {
    const conditions: FilterQuery<Model>[] = [{ tenant: session.tenant }];
    if (filter.search) {
      const like = likePattern(filter.search);
      conditions.push({ [raw(SEARCHED, [like, like, like, like])]: [] });
    }
    if (filter.framework != null)
      conditions.push({ [raw(OF_FRAMEWORK, [filter.framework, session.tenant, filter.framework])]: [] });
    if (filter.latestStage != null)
      conditions.push({ [raw(LATEST_IN_STAGE, [session.tenant, filter.latestStage])]: [] });
    for (const field of ['modelType', 'task'] as const) {
      if (filter[field] != null) conditions.push({ [field]: filter[field] } as FilterQuery<Model>);
    }
    if (filter.stage != null) {
      conditions.push({
        [raw('id in (select model_id from model_version where tenant = ? and stage = ?)', [
          session.tenant,
          filter.stage,
        ])]: [],
      });
    }
    if (filter.tags?.length) {
      conditions.push({ [raw('tags @> ?::jsonb', [JSON.stringify(checkTags('filter.tags', filter.tags))])]: [] });
    }
    return paginate(session, Model, { $and: conditions } as FilterQuery<Model>, page, order);
  }
}

/** The name of a lock: transactions that use this model name take turns. */
const lockNameOf = (name: string) => `model ${name}`;
