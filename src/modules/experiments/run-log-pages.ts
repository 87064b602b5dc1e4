import type { Session } from '../../db/database.js';
import { DEFAULT_PAGE_SIZE, type Page } from '../../db/pagination.js';
import { badInput } from '../../errors.js';
import { likePattern } from '../platform/index.js';
import type { LogStream } from './rules/logged-values.js';
import { countLines, linesOfRuns, type LineCondition, type LogLine } from './stores/logs.js';

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
 * A page of the lines of each run in the order of `seq`. One statement for each kind of page: the first lines after a
 * place, or the last lines before one.
 */
export async function logPages(session: Session, keys: readonly LogPageKey[]): Promise<Page<LogLine>[]> {
  const pages = new Map<LogPageKey, Page<LogLine>>();
  for (const same of Map.groupBy(keys, ({ page }) => JSON.stringify(page)).values()) {
    const { page } = same[0]!;
    const runIds = same.map(({ runId }) => runId);
    const rows = await read(session, runIds, page);
    const size = page.last ?? page.first ?? DEFAULT_PAGE_SIZE;
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
  const size = page.last ?? page.first ?? DEFAULT_PAGE_SIZE;
  const rows = await linesOfRuns(session, runIds, conditionOf(page), size + 1, page.last == null ? 'asc' : 'desc');
  return Map.groupBy(rows, ({ runId }) => runId);
}

function count(session: Session, { runId, page: { search, streams } }: LogPageKey): Promise<number> {
  return countLines(session, runId, conditionOf({ search, streams }));
}

function conditionOf({ after, before, search, streams }: LogPageRequest): LineCondition {
  return { after, before, streams, pattern: search ? likePattern(search) : null };
}
