import { type FilterQuery, LockMode, raw } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { changeRecord, type RecordChange } from '../../db/json-record.js';
import { ANY_TEXT, checkName, checkSetSize, checkTags, setSizeOf } from '../core/index.js';
import { badInput, notFound } from '../../errors.js';
import { requireOwn, containsText, audit } from '../platform/index.js';
import {
  ANY_STEP,
  checkModelMetric,
  checkStep,
  type ExperimentService,
  type TagEntry,
  requireWritable,
} from '../experiments/index.js';
import { addLinks, addMetrics, metricsOfModels } from './store.js';

export interface NewLoggedModel {
  /** Set by an import only, which keeps the ids of the source. */
  id?: string;
  experimentId: string;
  name: string;
  /** The run that creates the model. */
  runId?: string | null;
  modelType?: string | null;
  params?: TagEntry[];
  tags?: TagEntry[];
}

export interface LoggedModelFilter {
  search?: string | null;
  experimentIds?: string[] | null;
  /** The run that created the models. */
  runId?: string | null;
  status?: LoggedModel['status'][] | null;
  modelType?: string | null;
}

/** A metric of a run that is about one model, and optionally about one dataset. */
export interface LoggedModelMetricInput {
  loggedModelId: string;
  key: string;
  value: number;
  step: number;
  loggedAt: Date;
  datasetName?: string | null;
  datasetDigest?: string | null;
}

export interface LoggedModelMetric {
  key: string;
  /** NaN and the infinities are texts. */
  value: number | string;
  step: number;
  timeMs: number;
  runId: string;
  datasetName: string;
  datasetDigest: string;
}

/** Models as runs created them, before registration: with their own files, parameters, tags and metrics. */
export class LoggedModelService {
  constructor(private readonly experiments: ExperimentService) {}

  async create(session: Session, input: NewLoggedModel): Promise<LoggedModel> {
    const experiment = await this.experiments.get(session, input.experimentId, LockMode.PESSIMISTIC_READ);
    if (experiment.state !== 'ACTIVE') throw badInput('experimentId', 'an active experiment', experiment.state);
    await requireOwn(session, Run, 'run', [input.runId]);
    const params = checkTags('params', input.params ?? [], ANY_TEXT);
    const tags = checkTags('tags', input.tags ?? [], ANY_TEXT);
    checkSetSize('params', setSizeOf(params));
    checkSetSize('tags', setSizeOf(tags));
    const model = session.em.create(LoggedModel, {
      ...(input.id != null && { id: input.id }),
      tenant: session.tenant,
      experimentId: experiment.id,
      runId: input.runId ?? null,
      name: checkName('name', input.name),
      modelType: input.modelType == null ? null : checkName('model_type', input.modelType),
      params,
      tags,
      createdBy: session.principal.subject,
    });
    audit(session, 'createLoggedModel', { type: 'loggedModel', id: model.id }, null, {
      name: model.name,
      runId: model.runId,
    });
    return model;
  }

  async get(session: Session, id: string): Promise<LoggedModel> {
    const model = await session.em.findOne(LoggedModel, { id, tenant: session.tenant });
    if (!model) throw notFound('logged model', id);
    return model;
  }

  /** Lists the models that are not deleted. */
  async list(
    session: Session,
    filter: LoggedModelFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'updatedAt' | 'name'>,
  ): Promise<Page<LoggedModel>> {
    const { tenant } = session;
    await requireOwn(session, Experiment, 'experiment', filter.experimentIds ?? []);
    await requireOwn(session, Run, 'run', [filter.runId]);
    const conditions: FilterQuery<LoggedModel>[] = [{ tenant, state: 'ACTIVE' }];
    if (filter.experimentIds?.length) conditions.push({ experimentId: { $in: filter.experimentIds } });
    if (filter.runId != null) {
      const made =
        '(run_id = ? or id in (select m.logged_model_id from run_model m where m.tenant = ? and m.run_id = ? ' +
        `and m.direction = 'OUTPUT'))`;
      conditions.push({ [raw(made, [filter.runId, tenant, filter.runId])]: [] });
    }
    if (filter.search) conditions.push({ name: containsText(filter.search) });
    if (filter.status?.length) conditions.push({ status: { $in: filter.status } });
    if (filter.modelType != null) conditions.push({ modelType: filter.modelType });
    return paginate(session, LoggedModel, { $and: conditions } as FilterQuery<LoggedModel>, page, order);
  }

  /** Records that all files of the model are there, or that its creation failed. */
  async finalize(
    session: Session,
    id: string,
    status: 'READY' | 'FAILED',
    message: string | null,
  ): Promise<LoggedModel> {
    const model = await this.locked(session, id);
    const before = { status: model.status };
    Object.assign(model, { status, statusMessage: message });
    audit(session, 'finalizeLoggedModel', { type: 'loggedModel', id }, before, { status });
    return model;
  }

  async setTags(session: Session, id: string, tags: TagEntry[]): Promise<void> {
    const model = await this.locked(session, id);
    const after = checkTags('tags', tags, ANY_TEXT);
    const { before, ...size } = await this.write(session, model, 'tags', after);
    checkSetSize('tags', size);
    audit(session, 'setLoggedModelTags', { type: 'loggedModel', id }, { tags: before }, { tags: after });
  }

  /** Computes a tag's new value from its old one (null when there is none). Callers take turns. */
  async changeTag(session: Session, id: string, key: string, change: (before: string | null) => string): Promise<void> {
    const { tags } = await this.locked(session, id);
    await this.setTags(session, id, [{ key, value: change(Object.hasOwn(tags, key) ? tags[key]! : null) }]);
  }

  /** NOT_FOUND when the model does not have this tag. */
  async deleteTag(session: Session, id: string, key: string): Promise<void> {
    const model = await this.locked(session, id);
    const { before } = await this.write(session, model, 'tags', {}, [key]);
    if (!Object.hasOwn(before, key)) throw notFound('tag', key);
    audit(session, 'deleteLoggedModelTag', { type: 'loggedModel', id }, { tags: before }, { tags: {} });
  }

  /** A parameter describes how the model was made: the same value again changes nothing, another one is refused. */
  async logParams(session: Session, id: string, params: TagEntry[]): Promise<void> {
    const model = await this.locked(session, id);
    const added = checkTags('params', params, ANY_TEXT);
    const { before, ...size } = await this.write(session, model, 'params', added);
    for (const [key, known] of Object.entries(before)) {
      const value = added[key]!;
      if (known !== value) throw badInput(`params.${key}`, `its value ${known.slice(0, 80)}`, value);
    }
    checkSetSize('params', size);
    audit(session, 'logLoggedModelParams', { type: 'loggedModel', id }, null, added);
  }

  private async write(
    session: Session,
    model: LoggedModel,
    column: 'tags' | 'params',
    set: Record<string, string>,
    drop: string[] = [],
  ): Promise<RecordChange> {
    model.updatedAt = new Date();
    await session.em.flush();
    const place = { table: 'logged_model', column, tenant: session.tenant, id: model.id } as const;
    const change = await changeRecord(session.em, place, set, drop);
    await session.em.refresh(model);
    return change;
  }

  /** Marks the model as deleted, until garbage collection removes it. */
  async remove(session: Session, id: string): Promise<void> {
    const model = await this.locked(session, id);
    if (model.state === 'DELETED') return;
    Object.assign(model, { state: 'DELETED', deletedAt: new Date() });
    audit(session, 'deleteLoggedModel', { type: 'loggedModel', id }, { state: 'ACTIVE' }, { state: 'DELETED' });
  }

  /** Records which models a run read, or which it created and at which step. */
  async linkToRun(
    session: Session,
    runId: string,
    direction: 'INPUT' | 'OUTPUT',
    models: { loggedModelId: string; step: number }[],
  ): Promise<void> {
    if (models.length === 0) return;
    models.forEach(({ step }, i) => checkStep(`models[${i}].step`, step, ANY_STEP));
    await requireWritable(session, runId);
    const ids = models.map(({ loggedModelId }) => loggedModelId);
    await requireOwn(session, LoggedModel, 'logged model', ids);
    await addLinks(
      session,
      runId,
      direction,
      models.map(({ loggedModelId, step }) => ({ id: uuidv7(), loggedModelId, step })),
    );
    audit(session, 'linkLoggedModels', { type: 'run', id: runId }, null, {
      direction,
      models: models.slice(0, 100),
      count: models.length,
    });
  }

  /** The same point again adds nothing. */
  async logMetrics(session: Session, runId: string, metrics: LoggedModelMetricInput[]): Promise<void> {
    if (metrics.length === 0) return;
    metrics.forEach(({ key, step, loggedAt, datasetName, datasetDigest }, i) =>
      checkModelMetric(`metrics[${i}].`, {
        ...{ key, step, timeMs: loggedAt.getTime() },
        ...{ datasetName: datasetName ?? '', datasetDigest: datasetDigest ?? '' },
      }),
    );
    await requireOwn(
      session,
      LoggedModel,
      'logged model',
      metrics.map(({ loggedModelId }) => loggedModelId),
    );
    await addMetrics(session, runId, metrics);
  }

  /** All metrics of each model, oldest first. */
  async metricsOf(session: Session, ids: string[]): Promise<(id: string) => LoggedModelMetric[]> {
    const rows = await metricsOfModels<LoggedModelMetric>(session, ids);
    const byId = new Map(rows.map(({ id, metrics }) => [id, metrics]));
    return (id) => byId.get(id) ?? [];
  }

  /** Locks the row, so that the second of two changes at the same time sees the first. */
  private async locked(session: Session, id: string): Promise<LoggedModel> {
    const model = await session.em.findOne(
      LoggedModel,
      { id, tenant: session.tenant },
      { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    if (!model) throw notFound('logged model', id);
    return model;
  }
}
