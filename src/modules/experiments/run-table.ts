import type { Session } from '../../db/database.js';
import type { Page } from '../../db/pagination.js';
import { PAGE_SIZE } from '../core/index.js';
import type { Run } from '../../db/entities/experiments/run.entity.js';
import type { Entry } from './rules/run-comparison.js';
import type { RunFilter, RunSearchService } from './run-search.service.js';
import { latestOfKey } from './stores/metrics.js';
import { differingParams, keysOf, pairsOfRuns, shortParams, type PairTable } from './stores/pairs.js';

/** The maximum number of keys of one kind that a comparison shows. */
export const MAX_COMPARED_KEYS = 500;
/** Limit for a value that is only compared or read as a number. */
const SHORT_CHARACTERS = 250;

export interface RunChoice {
  filter?: RunFilter | null;
  /** A filter string that must match as well. */
  where?: string | null;
}

/** The newest runs that match, at most `limit`. */
export async function newestRuns(
  session: Session,
  search: RunSearchService,
  choice: RunChoice,
  limit: number,
): Promise<Run[]> {
  const found: Run[] = [];
  for (let after: string | null = null; ;) {
    const first = Math.min(PAGE_SIZE.max, limit - found.length);
    const page: Page<Run> = await search.list(session, choice.filter ?? {}, choice.where ?? null, { first, after }, []);
    found.push(...page.nodes);
    if (!page.hasNextPage || found.length >= limit) return found;
    after = page.cursors.at(-1)!;
  }
}

/** The entries of each run by key, for the first 500 keys, and whether there are more. */
export async function entriesOf(
  session: Session,
  table: PairTable,
  runIds: readonly string[],
): Promise<{ entries: Entry[][]; isCut: boolean }> {
  const keys = await keysOf(session, table, runIds, MAX_COMPARED_KEYS + 1);
  const rows = await pairsOfRuns(session, table, runIds, keys.slice(0, MAX_COMPARED_KEYS));
  const byRun = Map.groupBy(rows, ({ runId }) => runId);
  return {
    entries: runIds.map((id) => (byRun.get(id) ?? []).map(({ key, value }) => ({ key, value }))),
    isCut: keys.length > MAX_COMPARED_KEYS,
  };
}

/** The newest values of one metric, in the order of the runs. */
export async function latestValues(
  session: Session,
  runIds: readonly string[],
  key: string,
): Promise<(number | null)[]> {
  const rows = await latestOfKey(session, runIds, key);
  const values = new Map(rows.map(({ runId, value }) => [runId, value]));
  return runIds.map((id) => values.get(id) ?? null);
}

/**
 * The given parameters of the runs; or those that differ between them, at most `limit`. Those that most runs have come
 * first.
 */
export async function paramColumns(
  session: Session,
  runIds: readonly string[],
  keys: readonly string[] | null,
  limit: number,
): Promise<{ key: string; texts: (string | null)[] }[]> {
  const chosen = keys ?? (await differingParams(session, runIds, limit));
  const rows = await shortParams(session, runIds, chosen, SHORT_CHARACTERS);
  const byKey = Map.groupBy(rows, ({ key }) => key);
  return chosen.map((key) => {
    const values = new Map((byKey.get(key) ?? []).map(({ runId, value }) => [runId, value]));
    return { key, texts: runIds.map((id) => values.get(id) ?? null) };
  });
}
