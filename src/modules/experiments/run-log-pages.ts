import type { Session } from '../../db/database.js';
import { checkPageSize, type Page } from '../../db/pagination.js';
import { sql } from '../../db/sql.js';
import { badInput } from '../../errors.js';
import { likePattern } from '../platform/index.js';
import type { LogStream } from './rules/logged-values.js';
import { LOG_LINE, type LogLine } from './run-log.service.js';

export interface LogPageRequest {
  first?: number | null;
  after?: number | null;
  last?: number | null;
  before?: number | null;
  search?: string | null;
  streams?: LogStream[] | null;
}

export interface LogPageKey {
  runId: string;
  page: LogPageRequest;
}

/**
 * A page of each run's lines in the order of `seq`, one statement per kind of page: the first after a place, or the
 * last before one.
 */
export async function logPages(session: Session, keys: readonly LogPageKey[]): Promise<Page<LogLine>[]> {
  const pages = new Map<LogPageKey, Page<LogLine>>();
  for (const same of Map.groupBy(keys, ({ page }) => JSON.stringify(page)).values()) {
    const { page } = same[0]!;
    const runIds = same.map(({ runId }) => runId);
    const rows = await read(session, runIds, page);
    const size = checkPageSize(page.last ?? page.first);
    for (const key of same) {
      const found = rows.get(key.runId) ?? [];
      const nodes = found.slice(0, size);
      if (page.last != null) nodes.reverse();
      pages.set(key, {
        nodes,
        cursors: nodes.map(({ seq }) => String(seq)),
        hasNextPage: found.length > size,
        totalCount: (reader) => count(reader, key),
      });
    }
  }
  return keys.map((key) => pages.get(key)!);
}

async function read(session: Session, runIds: string[], page: LogPageRequest): Promise<Map<string, LogLine[]>> {
  if (page.first != null && page.last != null) throw badInput('last', 'either first or last', page.last);
  const size = checkPageSize(page.last ?? page.first);
  const [condition, params] = conditionOf(page);
  const rows = await sql<LogLine>(
    session.em,
    `select l.* from unnest(?::uuid[]) as r(id) cross join lateral (
       select ${LOG_LINE} from run_log
       where tenant = ? and run_id = r.id ${condition} order by run_log.seq ${page.last == null ? 'asc' : 'desc'} limit ?) l`,
    [runIds, session.tenant, ...params, size + 1],
  );
  return Map.groupBy(rows, ({ runId }) => runId);
}

async function count(session: Session, { runId, page }: LogPageKey): Promise<number> {
  const [condition, params] = conditionOf({ search: page.search, streams: page.streams });
  const text = `select count(*)::float8 as lines from run_log where tenant = ? and run_id = ? ${condition}`;
  return (await sql<{ lines: number }>(session.em, text, [session.tenant, runId, ...params]))[0]?.lines ?? 0;
}

function conditionOf({ after, before, search, streams }: LogPageRequest): [string, unknown[]] {
  const terms: [string, unknown][] = [];
  if (after != null) terms.push(['seq > ?', after]);
  if (before != null) terms.push(['seq < ?', before]);
  if (streams?.length) terms.push(['stream = any(?::text[])', streams]);
  if (search) terms.push(['line ilike ?', likePattern('search', search)]);
  return [terms.map(([term]) => `and ${term}`).join(' '), terms.map(([, value]) => value)];
}
