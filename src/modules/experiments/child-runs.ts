import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Page, type PageRequest } from '../../db/pagination.js';
import { firstPages } from '../platform/index.js';

const ORDER = { field: 'createdAt', direction: 'DESC' } as const;

/** The first page of the active child runs of each run, newest first. */
export const firstChildRuns = firstPages(Run, 'parentRunId', ORDER, { state: 'ACTIVE' });

/** A page of the active child runs of one run, after a cursor of such a page. */
export function moreChildRuns(session: Session, parentRunId: string, page: PageRequest): Promise<Page<Run>> {
  return paginate(session, Run, { tenant: session.tenant, parentRunId, state: 'ACTIVE' }, page, ORDER);
}
