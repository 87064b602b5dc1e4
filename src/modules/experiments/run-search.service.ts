import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { DEFAULT_PAGE_SIZE, type Page, type PageRequest } from '../../db/pagination.js';
import { parseFilter, type OrderKey } from '../core/index.js';
import { RUN_FILTER, type RunEntity } from './rules/run-filter.js';
import { toFilters, toOrder, type RunOrderTerm, type RunTerms } from './rules/run-terms.js';
import { requireOwn } from '../platform/index.js';
import { searchRuns } from './stores/run-search.js';

export interface RunFilter extends RunTerms {
  experimentIds?: string[] | null;
  /** When absent: ACTIVE runs. */
  states?: Run['state'][] | null;
}

const NEWEST_FIRST: OrderKey<RunEntity> = { entity: 'attribute', key: 'created_at', direction: 'DESC' };

/** Searches runs by their logged data. */
export class RunSearchService {
  /** One page of the runs that match both the typed filter and the filter string. */
  async list(
    session: Session,
    filter: RunFilter,
    where: string | null,
    page: PageRequest,
    orderBy: readonly RunOrderTerm[],
  ): Promise<Page<Run>> {
    const { experimentIds, datasetIds, parentRunId, states, ...conditions } = filter;
    const typed = toFilters('filter', { ...conditions, datasetIds, parentRunId });
    const written = where === null ? null : parseFilter('where', where, RUN_FILTER);
    await requireOwn(session, Experiment, 'experiment', experimentIds ?? []);
    await requireOwn(session, Dataset, 'dataset', datasetIds ?? []);
    await requireOwn(session, Run, 'run', [parentRunId]);
    const order = orderBy.length > 0 ? toOrder('orderBy', orderBy) : [NEWEST_FIRST];
    return searchRuns(
      session,
      {
        filters: written ? [...typed, written] : typed,
        experimentIds: experimentIds?.length ? experimentIds : null,
        states: states?.length ? states : ['ACTIVE'],
        order,
        ties: [{ entity: 'attribute', key: 'run_id', direction: order.at(-1)!.direction }],
      },
      { first: page.first ?? DEFAULT_PAGE_SIZE, after: page.after ?? null },
    );
  }
}
