import { LockMode, type FilterQuery } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { changeRecord, type RecordChange } from '../../db/json-record.js';
import { checkName, checkSetSize, checkTags, setSizeOf } from '../core/index.js';
import { EXPERIMENT_TAG_VALUE } from './rules/logged-values.js';
import { RUN_TAGS } from './rules/run-tags.js';
import { conflict, notFound, notFoundByName } from '../../errors.js';
import { audit, takeTenantLock, containsText } from '../platform/index.js';
import { requireActive, requireRestorable } from './rules/experiment-state.js';
import { changeExperimentState } from './stores/experiment-states.js';
import { makeDefault, addressesOf, restoreRuns, unfinishedTrainingIn } from './stores/runs.js';

export interface ExperimentFilter {
  search?: string | null;
  /** ACTIVE when absent. */
  state?: Experiment['state'] | null;
}

export interface TagEntry {
  key: string;
  value: string;
}

export interface NewExperiment {
  /** Set by an import only, which keeps the ids of the source. */
  id?: string;
  name: string;
  description?: string | null;
  tags?: TagEntry[] | null;
  /** The folder where clients store artifacts themselves; absent for the store of this service. */
  artifactLocation?: string | null;
}

/** The data of an experiment in an archive. */
export interface ImportedExperiment extends Pick<Experiment, 'name' | 'description' | 'tags' | 'createdAt'> {
  /** Absent for a new one. */
  id?: string;
}

/** The values from which the ids and the artifact addresses of an experiment's runs and models are built. */
export type ExperimentAddress = Pick<Experiment, 'id' | 'isDefault' | 'artifactLocation'>;

const DEFAULT_NAME = 'Default';
/** MLflow's tag for the description. The service keeps the tag and the column equal. */
const NOTE = RUN_TAGS.note;

/** Experiments: named groups of runs. */
export class ExperimentService {
  async create(session: Session, input: NewExperiment): Promise<Experiment> {
    const name = await this.freeName(session, input.name);
    return this.add(session, { ...input, name }, 'createExperiment');
  }

  /**
   * The experiment of this name; created when it does not exist. An existing one is not changed. CONFLICT when it is
   * deleted.
   */
  async getOrCreate(session: Session, input: NewExperiment): Promise<{ experiment: Experiment; created: boolean }> {
    const name = checkName('input.name', input.name);
    let experiment = await this.findByName(session, name);
    if (!experiment) {
      await takeTenantLock(session, lockNameOf(name));
      experiment = await this.findByName(session, name);
    }
    if (!experiment)
      return { experiment: await this.add(session, { ...input, name }, 'getOrCreateExperiment'), created: true };
    if (experiment.state !== 'ACTIVE') {
      throw conflict(`Experiment "${name}" is deleted: restore it (restoreExperiment), or choose another name.`, {
        field: 'input.name',
        expected: 'a free name, or that of an active experiment',
        got: name,
      });
    }
    return { experiment, created: false };
  }

  private async add(session: Session, input: NewExperiment, action: string): Promise<Experiment> {
    const { name } = input;
    const tags = checkTags('input.tags', input.tags ?? [], EXPERIMENT_TAG_VALUE);
    checkSetSize('input.tags', setSizeOf(tags));
    const description = input.description ?? tags[NOTE] ?? '';
    const experiment = session.em.create(Experiment, {
      ...(input.id != null && { id: input.id }),
      tenant: session.tenant,
      name,
      description,
      tags: withNote(tags, description),
      artifactLocation: input.artifactLocation ?? null,
      createdBy: session.principal.subject,
    });
    audit(session, action, { type: 'experiment', id: experiment.id }, null, { name });
    return experiment;
  }

  /** The tenant's default experiment, created at the first use. It gets the runs that name no experiment. */
  async default(session: Session): Promise<Experiment> {
    const where = { tenant: session.tenant, isDefault: true };
    const known = await session.em.findOne(Experiment, where);
    if (known) return known;
    await takeTenantLock(session, 'default experiment');
    const others = await session.em.findOne(Experiment, where);
    if (others) return others;
    // If an experiment has this name already, it becomes the default one.
    await makeDefault(session, uuidv7(), DEFAULT_NAME);
    const made = await session.em.findOneOrFail(Experiment, where, { refresh: true });
    audit(session, 'createExperiment', { type: 'experiment', id: made.id }, null, { name: made.name, isDefault: true });
    return made;
  }

  async update(
    session: Session,
    input: {
      id: string;
      name?: string | null;
      description?: string | null;
      tags?: TagEntry[] | null;
      state?: Experiment['state'] | null;
    },
  ): Promise<Experiment> {
    const experiment = await this.locked(session, input.id);
    const before = changeable(experiment);
    if (input.state === 'ACTIVE' && experiment.state === 'DELETED') await this.restore(session, experiment.id);
    if (input.name != null || input.description != null || input.tags != null) {
      requireActive(experiment);
      if (input.name != null && input.name !== experiment.name)
        experiment.name = await this.freeName(session, input.name);
      const tags = input.tags == null ? experiment.tags : checkTags('input.tags', input.tags, EXPERIMENT_TAG_VALUE);
      // Keeps the description unless the client gives one: the tags that a client sees do not contain it.
      const description = input.description ?? (input.tags == null ? undefined : tags[NOTE]) ?? experiment.description;
      if (input.tags != null) checkSetSize('input.tags', setSizeOf(tags));
      Object.assign(experiment, { description, tags: withNote(tags, description) });
    }
    await session.em.flush();
    if (input.state === 'DELETED' && experiment.state === 'ACTIVE') await this.remove(session, experiment.id);
    audit(session, 'updateExperiment', { type: 'experiment', id: experiment.id }, before, changeable(experiment));
    return experiment;
  }

  /** Adds or changes some tags and keeps the others. */
  async setTags(session: Session, id: string, tags: TagEntry[]): Promise<void> {
    const after = checkTags('input.tags', tags, EXPERIMENT_TAG_VALUE);
    const { before, ...size } = await this.writeTags(session, id, after);
    checkSetSize('input.tags', size);
    audit(session, 'setExperimentTags', { type: 'experiment', id }, { tags: before }, { tags: after });
  }

  /** NOT_FOUND when the experiment does not have this tag. */
  async deleteTag(session: Session, id: string, key: string): Promise<void> {
    const { before } = await this.writeTags(session, id, {}, [key]);
    if (!Object.hasOwn(before, key)) throw notFound('tag', key);
    audit(session, 'deleteExperimentTag', { type: 'experiment', id }, { tags: before }, { tags: {} });
  }

  /**
   * Marks the experiment and its active runs as deleted, all with the same time. `restore` finds the runs by this time.
   */
  async remove(session: Session, id: string): Promise<Experiment> {
    const experiment = await this.locked(session, id);
    const runs: FilterQuery<Run> = { tenant: session.tenant, experimentId: id, state: 'ACTIVE' };
    requireActive(experiment);
    await this.refuseTrainings(session, id);
    const deletedAt = new Date();
    await changeExperimentState(session, experiment, { to: 'DELETED', deletedAt });
    await session.em.nativeUpdate(Run, runs, { state: 'DELETED', deletedAt });
    audit(session, 'deleteExperiment', { type: 'experiment', id }, { state: 'ACTIVE' }, { state: 'DELETED' });
    return experiment;
  }

  /** Restores the experiment with the runs that were deleted with it; runs that were deleted before stay deleted. */
  async restore(session: Session, id: string): Promise<Experiment> {
    const experiment = await this.locked(session, id);
    const { deletedAt } = experiment;
    requireRestorable(experiment);
    await changeExperimentState(session, experiment, { to: 'ACTIVE' });
    if (deletedAt) await restoreRuns(session, id, deletedAt);
    audit(session, 'restoreExperiment', { type: 'experiment', id }, { state: 'DELETED' }, { state: 'ACTIVE' });
    return experiment;
  }

  /** Creates an experiment that the job `jobId` imports. It counts as deleted until `endImport`. */
  async beginImport(session: Session, jobId: string, input: ImportedExperiment): Promise<Experiment> {
    const { id, name, ...rest } = input;
    const experiment = await this.create(session, { ...(id !== undefined && { id }), name });
    Object.assign(experiment, { ...rest, state: 'DELETED', deletedAt: new Date(), importJobId: jobId });
    await session.em.flush();
    return experiment;
  }

  /** The job `jobId` continues an import that another job has left. */
  takeOverImport(session: Session, experiment: Experiment, jobId: string): Promise<void> {
    return changeExperimentState(session, experiment, { to: 'IMPORTING', jobId });
  }

  /** Call when everything was imported. */
  async endImport(session: Session, id: string): Promise<void> {
    await changeExperimentState(session, await this.locked(session, id), { to: 'ACTIVE' });
  }

  find(session: Session, id: string, lockMode?: LockMode): Promise<Experiment | null> {
    return session.em.findOne(Experiment, { id, tenant: session.tenant }, lockMode ? { lockMode, refresh: true } : {});
  }

  async get(session: Session, id: string, lockMode?: LockMode): Promise<Experiment> {
    const experiment = await this.find(session, id, lockMode);
    if (!experiment) throw notFound('experiment', id);
    return experiment;
  }

  /** Finds deleted experiments too, because their names stay taken. */
  findByName(session: Session, name: string): Promise<Experiment | null> {
    return session.em.findOne(Experiment, { tenant: session.tenant, name });
  }

  /** Finds deleted experiments too. NOT_FOUND when none has the name. */
  async getByName(session: Session, name: string): Promise<Experiment> {
    const experiment = await this.findByName(session, name);
    if (!experiment) throw notFoundByName('experiment', name);
    return experiment;
  }

  async addressesOf(session: Session, ids: Iterable<string>): Promise<Map<string, ExperimentAddress>> {
    const found = await addressesOf(session, [...new Set(ids)]);
    return new Map(found.map((place) => [place.id, place]));
  }

  list(
    session: Session,
    filter: ExperimentFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'name' | 'updatedAt'>,
  ): Promise<Page<Experiment>> {
    const where: FilterQuery<Experiment> = { tenant: session.tenant, state: filter.state ?? 'ACTIVE' };
    if (filter.search) Object.assign(where, { name: containsText(filter.search) });
    return paginate(session, Experiment, where, page, order);
  }

  /** Names of deleted experiments are taken until garbage collection. */
  private async freeName(session: Session, wanted: string): Promise<string> {
    const name = checkName('input.name', wanted);
    const find = () => session.em.findOne(Experiment, { tenant: session.tenant, name }, { fields: ['state'] });
    let holder = await find();
    if (!holder) {
      await takeTenantLock(session, lockNameOf(name));
      holder = await find();
    }
    if (holder) {
      const aside = holder.state === 'DELETED' ? ' It is deleted: restore it, or have it collected as garbage.' : '';
      throw conflict(`An experiment named "${name}" already exists.${aside}`, {
        field: 'input.name',
        expected: 'a free name',
        got: name,
      });
    }
    return name;
  }

  /** Writes the tags, and the description that one of them carries. */
  private async writeTags(
    session: Session,
    id: string,
    set: Record<string, string>,
    drop: string[] = [],
  ): Promise<RecordChange> {
    const experiment = await this.locked(session, id);
    requireActive(experiment);
    experiment.updatedAt = new Date();
    if (Object.hasOwn(set, NOTE) || drop.includes(NOTE)) experiment.description = set[NOTE] ?? '';
    await session.em.flush();
    const place = { table: 'experiment', column: 'tags', tenant: session.tenant, id } as const;
    const change = await changeRecord(session.em, place, set, drop);
    await session.em.refresh(experiment);
    return change;
  }

  /** Locks the row, so that the second of two changes at the same time sees the first. */
  private locked(session: Session, id: string): Promise<Experiment> {
    return this.get(session, id, LockMode.PESSIMISTIC_WRITE);
  }

  private async refuseTrainings(session: Session, experimentId: string): Promise<void> {
    const job = await unfinishedTrainingIn(session, experimentId);
    if (job === null) return;
    throw conflict(`Training ${job} still works in experiment ${experimentId}; cancel it first.`, {
      expected: 'an experiment without an unfinished training',
      got: `training ${job}`,
    });
  }
}

/** The name of a lock: transactions that use this experiment name run one after the other. */
const lockNameOf = (name: string) => `experiment ${name}`;

function withNote(tags: Record<string, string>, description: string): Record<string, string> {
  const others = Object.fromEntries(Object.entries(tags).filter(([key]) => key !== NOTE));
  return description === '' ? others : { ...others, [NOTE]: description };
}

function changeable({ name, description, tags, state }: Experiment): object {
  return { name, description, tags, state };
}
