import type { FilterQuery } from '@mikro-orm/core';
import { Experiment } from '../../db/entities/tracking/experiment.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { checkName, checkTags } from '../../domain/platform/names.js';
import { conflict, notFound } from '../../errors.js';
import { audit } from '../platform/use-case.js';
import { containsText } from '../platform/search.js';

export interface ExperimentFilter {
  search?: string | null;
  state?: Experiment['state'] | null;
}

export interface TagEntry {
  key: string;
  value: string;
}

/** Experiments: the named groups of runs. */
export class ExperimentService {
  async create(session: Session, input: { name: string; description?: string | null; tags?: TagEntry[] | null }): Promise<Experiment> {
    const name = checkName('input.name', input.name);
    if (await session.em.findOne(Experiment, { tenant: session.tenant, name })) {
      throw conflict(`An experiment named "${name}" already exists.`, { field: 'input.name', expected: 'a free name', got: name });
    }
    const experiment = session.em.create(Experiment, {
      tenant: session.tenant,
      name,
      description: input.description ?? '',
      tags: checkTags('input.tags', input.tags ?? []),
      createdBy: session.principal.subject,
    });
    audit(session, 'createExperiment', { type: 'experiment', id: experiment.id }, null, { name });
    return experiment;
  }

  async update(
    session: Session,
    input: { id: string; name?: string | null; description?: string | null; tags?: TagEntry[] | null; state?: Experiment['state'] | null },
  ): Promise<Experiment> {
    const experiment = await this.get(session, input.id);
    const before = changeable(experiment);
    if (input.name != null && input.name !== experiment.name) {
      const name = checkName('input.name', input.name);
      if (await session.em.findOne(Experiment, { tenant: session.tenant, name })) {
        throw conflict(`An experiment named "${name}" already exists.`, { field: 'input.name', expected: 'a free name', got: name });
      }
      experiment.name = name;
    }
    if (input.description != null) experiment.description = input.description;
    if (input.tags != null) experiment.tags = checkTags('input.tags', input.tags);
    if (input.state != null) experiment.state = input.state;
    audit(session, 'updateExperiment', { type: 'experiment', id: experiment.id }, before, changeable(experiment));
    return experiment;
  }

  async get(session: Session, id: string): Promise<Experiment> {
    const experiment = await session.em.findOne(Experiment, { id, tenant: session.tenant });
    if (!experiment) throw notFound('experiment', id);
    return experiment;
  }

  list(
    session: Session,
    filter: ExperimentFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'name' | 'updatedAt'>,
  ): Promise<Page<Experiment>> {
    const where: FilterQuery<Experiment> = { tenant: session.tenant, state: filter.state ?? 'ACTIVE' };
    if (filter.search) Object.assign(where, { name: containsText('filter.search', filter.search) });
    return paginate(session, Experiment, where, page, order);
  }
}

function changeable({ name, description, tags, state }: Experiment): object {
  return { name, description, tags, state };
}
