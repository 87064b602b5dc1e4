import { parseMlflowFilter, parseMlflowOrder } from '../filters/filter.js';
import { MLFLOW_EXPERIMENT_FILTER, MLFLOW_EXPERIMENT_ORDER, MLFLOW_LOGGED_MODEL_FILTER } from '../filters/grammars.js';
import { z } from 'zod';
import { searchExperiments } from '../../../modules/experiments/index.js';
import { Role } from '../../../modules/core/index.js';
import { searchLoggedModels } from '../../../modules/logged-models/index.js';
import { jsonEndpoint, type Endpoint } from '../endpoint.js';
import { invalidParameter } from '../errors.js';
import { toExperimentId } from '../ids.js';
import { fromExperimentIds } from './lookup.js';
import { checkMaxResults, offsetInSearch, offsetOf, pageOf } from '../pages.js';
import { integer, repeated, string } from '../protobuf-json.js';
import { showLoggedModels } from '../logged-models/logged-models.js';
import { toExperiment } from './views.js';

const MAX_RESULTS = 50_000;
const DEFAULT_LOGGED_MODELS = 50;
/** Each of them is a condition of the query. */
const MAX_METRIC_DATASETS = 100;
/** The same limit as in other searches. */
const MAX_ORDER_KEYS = 10;
const MAX_DATASET_EXPERIMENTS = 20;
const MAX_DATASETS = 1_000;

type State = 'ACTIVE' | 'DELETED';
const VIEWS: Record<string, State[]> = {
  ACTIVE_ONLY: ['ACTIVE'],
  DELETED_ONLY: ['DELETED'],
  ALL: ['ACTIVE', 'DELETED'],
};

/** The states that a view shows, by the name or the number of MLflow's enum. */
export const viewType = z
  .union([z.string(), z.number()])
  .nullish()
  .transform((sent): State[] => {
    const name = Object.keys(VIEWS).find((known, i) => known === sent || i + 1 === Number(sent));
    if (sent != null && sent !== '' && name === undefined) {
      throw invalidParameter(
        `Invalid value ${JSON.stringify(sent)} for a view type: expected ${Object.keys(VIEWS).join(', ')}.`,
      );
    }
    return VIEWS[name ?? 'ACTIVE_ONLY'] ?? [];
  });

const dataset = z.object({ dataset_name: string, dataset_digest: string });
const order = z.object({
  field_name: string,
  ascending: z
    .boolean()
    .nullish()
    .transform((value) => value ?? true),
  dataset_name: string,
  dataset_digest: string,
});

function checkCount(name: string, items: unknown[], most: number): void {
  if (items.length > most)
    throw invalidParameter(
      `Invalid value for parameter '${name}' supplied: at most ${most} are possible, got ${items.length}.`,
    );
}

export const searchEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['GET', 'POST'],
    '/mlflow/experiments/search',
    Role.VIEWER,
    z.object({
      max_results: integer,
      page_token: string,
      filter: string,
      order_by: repeated(z.string()),
      view_type: viewType,
    }),
    async (call, input) => {
      const limit = input.max_results ?? 0;
      checkMaxResults(limit, MAX_RESULTS);
      const offset = offsetOf(input.page_token);
      const comparisons = parseMlflowFilter(input.filter, MLFLOW_EXPERIMENT_FILTER);
      const named = parseMlflowOrder(input.order_by, MLFLOW_EXPERIMENT_ORDER);
      const fallback = [{ entity: 'attribute', key: 'creation_time', direction: 'DESC' }] as const;
      const found = await call.run(async (session) => {
        await call.services.experiments.default(session);
        const search = {
          comparisons,
          states: input.view_type,
          order: named.length > 0 ? named : fallback,
          offset,
          limit: limit + 1,
        };
        return searchExperiments(session, search);
      });
      return pageOf('experiments', found.map(toExperiment), { offset, limit });
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/experiments/search-datasets',
    Role.VIEWER,
    z.object({ experiment_ids: repeated(z.string()) }),
    async (call, { experiment_ids: texts }) => {
      if (texts.length === 0) throw invalidParameter('SearchDatasets request must specify at least one experiment_id.');
      if (texts.length > MAX_DATASET_EXPERIMENTS) {
        throw invalidParameter(
          `SearchDatasets request cannot specify more than ${MAX_DATASET_EXPERIMENTS} experiment_ids. ` +
            `Received ${texts.length} experiment_ids.`,
        );
      }
      return call.run(async (session) => {
        const ids = await fromExperimentIds(session, call.services, texts);
        const found = await call.services.runDatasets.inExperiments(session, ids, MAX_DATASETS);
        const experiments = await call.services.experiments.addressesOf(session, ids);
        const summaries = found.flatMap(({ experimentId, name, digest, context }) => {
          const experiment = experiments.get(experimentId);
          return experiment
            ? [{ experiment_id: toExperimentId(experiment), name, digest, ...(context !== null && { context }) }]
            : [];
        });
        return summaries.length > 0 ? { dataset_summaries: summaries } : {};
      });
    },
  ),
  jsonEndpoint(
    ['POST'],
    '/mlflow/logged-models/search',
    Role.VIEWER,
    z.object({
      experiment_ids: z.array(z.string()).min(1),
      filter: string,
      datasets: repeated(dataset),
      max_results: integer,
      order_by: repeated(order),
      page_token: string,
    }),
    async (call, input) => {
      checkCount('datasets', input.datasets, MAX_METRIC_DATASETS);
      checkCount('order_by', input.order_by, MAX_ORDER_KEYS);
      if (input.datasets.some(({ dataset_name: name }) => name === ''))
        throw invalidParameter('`dataset_name` in the `datasets` clause must be specified.');
      const limit = Math.min(input.max_results || DEFAULT_LOGGED_MODELS, MAX_RESULTS);
      checkMaxResults(limit, MAX_RESULTS);
      const search = {
        experiment_ids: input.experiment_ids,
        filter_string: input.filter || null,
        order_by: input.order_by,
      };
      const offset = offsetInSearch(input.page_token, search);
      const comparisons = parseMlflowFilter(input.filter, MLFLOW_LOGGED_MODEL_FILTER);
      const toDataset = (name: string, digest: string) => ({ name: name || null, digest: digest || null });
      return call.run(async (session) => {
        const found = await searchLoggedModels(session, {
          comparisons,
          experimentIds: await fromExperimentIds(session, call.services, input.experiment_ids),
          datasets: input.datasets.map(({ dataset_name: name, dataset_digest: digest }) => toDataset(name, digest)),
          order: input.order_by.map(({ field_name: field, ascending, dataset_name: name, dataset_digest: digest }) => ({
            field,
            direction: ascending ? ('ASC' as const) : ('DESC' as const),
            dataset: name || digest ? toDataset(name, digest) : null,
          })),
          offset,
          limit: limit + 1,
        });
        return pageOf('models', await showLoggedModels(session, call.services, found), { offset, limit, search });
      });
    },
  ),
];
