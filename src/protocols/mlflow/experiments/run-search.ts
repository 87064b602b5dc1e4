import { z } from 'zod';
import { Role, type OrderKey } from '../../../modules/core/index.js';
import { searchRuns, type RunEntity } from '../../../modules/experiments/index.js';
import { parseMlflowFilter, parseMlflowOrder } from '../filters/filter.js';
import { MLFLOW_RUN_FILTER, MLFLOW_RUN_ORDER } from '../filters/grammars.js';
import { jsonEndpoint, type Endpoint } from '../endpoint.js';
import { atMost, checkMaxResults, refusedToken } from '../pages.js';
import { repeated, string } from '../protobuf-json.js';
import { fromExperimentIds, showRuns } from './lookup.js';
import { viewType } from './search.js';

const MAX_RESULTS = 50_000;
const DEFAULT_RESULTS = 1_000;
/** The details of so many runs are read at once. */
const RUNS_AT_ONCE = 1_000;
/** A page ends early when its rows have this part of what an answer may have; clients follow its token. */
const FULL_SHARE = 0.25;

/** MLflow's own order: runs that are equal in all keys are ordered newest first, and then by id. */
const TIES: readonly OrderKey<RunEntity>[] = [
  { entity: 'attribute', key: 'start_time', direction: 'DESC' },
  { entity: 'attribute', key: 'run_id', direction: 'ASC' },
];

export const runSearchEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['POST'],
    '/mlflow/runs/search',
    Role.VIEWER,
    z.object({
      experiment_ids: repeated(z.string()),
      filter: string,
      run_view_type: viewType,
      max_results: atMost(MAX_RESULTS),
      order_by: repeated(z.string()),
      page_token: string,
    }),
    async (call, input) => {
      const first = input.max_results ?? DEFAULT_RESULTS;
      checkMaxResults(first, MAX_RESULTS);
      return call.run(async (session) => {
        const experimentIds = await fromExperimentIds(session, call.services, input.experiment_ids);
        const search = {
          filters: parseMlflowFilter(input.filter, MLFLOW_RUN_FILTER),
          experimentIds,
          states: input.run_view_type,
          order: parseMlflowOrder(input.order_by, MLFLOW_RUN_ORDER),
          ties: TIES,
          cursorField: 'page_token',
        };
        const { page_token: token } = input;
        const page = await searchRuns(session, search, { first, after: token || null }).catch(refusedToken(token));
        const runs: object[] = [];
        let taken = 0;
        while (taken < page.nodes.length && (taken === 0 || call.share() <= FULL_SHARE)) {
          const next = page.nodes.slice(taken, taken + RUNS_AT_ONCE);
          runs.push(...(await showRuns(session, call.services, next)));
          taken += next.length;
        }
        const hasMore = page.hasNextPage || taken < page.nodes.length;
        return { ...(runs.length > 0 && { runs }), ...(hasMore && { next_page_token: page.cursors[taken - 1] }) };
      });
    },
  ),
];
