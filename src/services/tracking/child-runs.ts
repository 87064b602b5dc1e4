import { Run } from '../../db/entities/tracking/run.entity.js';
import type { Session } from '../../db/database.js';
import { checkPageSize, encodeCursor, paginate, type Page, type PageRequest } from '../../db/pagination.js';
import { sql } from '../../db/sql.js';

export interface ChildRunsKey {
  runId: string;
  first: number | null;
}

const ORDER = { field: 'createdAt', direction: 'DESC' } as const;

/** The first page of the active runs in each run, newest first: two statements per page size, however many runs there are. */
export async function firstChildRuns(session: Session, keys: readonly ChildRunsKey[]): Promise<Page<Run>[]> {
  const pages = new Map<ChildRunsKey, Page<Run>>();
  for (const [first, same] of Map.groupBy(keys, (key) => key.first)) {
    const parents = same.map(({ runId }) => runId);
    const found = await childrenOf(session, parents, checkPageSize(first));
    for (const key of same) pages.set(key, found(key.runId));
  }
  return keys.map((key) => pages.get(key)!);
}

/** A page of one run's active runs, from a cursor of such a page on. */
export function moreChildRuns(session: Session, parentRunId: string, page: PageRequest): Promise<Page<Run>> {
  return paginate(session, Run, { tenant: session.tenant, parentRunId, state: 'ACTIVE' }, page, ORDER);
}

async function childrenOf(session: Session, parents: string[], size: number): Promise<(parentRunId: string) => Page<Run>> {
  const { tenant } = session;
  const ranked = await sql<{ id: string }>(
    session.em,
    `select id from (
       select id, row_number() over (partition by tenant, parent_run_id order by created_at desc, id desc) as place
       from run where tenant = ? and parent_run_id = any(?::uuid[]) and state = 'ACTIVE') numbered where place <= ?`,
    [tenant, parents, size + 1],
  );
  const where = { tenant, id: { $in: ranked.map(({ id }) => id) } };
  const rows = await session.em.find(Run, where, { orderBy: { createdAt: 'DESC', id: 'DESC' } });
  const byParent = Map.groupBy(rows, ({ parentRunId }) => parentRunId);
  return (parentRunId) => {
    const children = byParent.get(parentRunId) ?? [];
    const nodes = children.slice(0, size);
    return {
      nodes,
      cursors: nodes.map(({ createdAt, id }) => encodeCursor(ORDER, createdAt, id)),
      hasNextPage: children.length > size,
      totalCount: (reader) => reader.em.count(Run, { tenant, parentRunId, state: 'ACTIVE' }),
    };
  };
}
