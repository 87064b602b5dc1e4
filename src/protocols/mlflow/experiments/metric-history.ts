import { Readable } from 'node:stream';
import { z } from 'zod';
import { Role, fromHexId } from '../../../modules/core/index.js';
import {
  type MetricPage,
  readMetricOfRuns,
  readMetricPage,
  sampleMetricOfRuns,
} from '../../../modules/experiments/index.js';
import { type Call, jsonEndpoint, type Endpoint } from '../endpoint.js';
import { invalidParameter } from '../errors.js';
import { refusedToken } from '../pages.js';
import { integer, MORE, repeated, requiredString, string } from '../protobuf-json.js';
import { onRun, onRuns } from './checks.js';
import { ofRun, runOf } from './runs.js';
import { toMetric, toMetricOfRun } from './views.js';

const MAX_BULK_RESULTS = 25_000;
const MAX_RUNS_PER_REQUEST = 100;
const MAX_RESULTS_PER_RUN = 2_500;

/** A longer history is read and sent in parts of this size. */
const POINTS_IN_MEMORY = 100_000;

export const metricHistoryEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['GET'],
    '/mlflow/metrics/get-history',
    Role.VIEWER,
    z.object({ ...ofRun, metric_key: requiredString, max_results: integer, page_token: string }),
    async (call, { metric_key: key, max_results: limit, page_token: after, ...input }) => {
      if (limit !== null && limit <= 0) {
        throw invalidParameter(
          `Invalid value ${limit} for parameter 'max_results' supplied. It must be a positive integer.`,
        );
      }
      const wanted = limit ?? Infinity;
      const pageLimit = Math.min(wanted, POINTS_IN_MEMORY);
      return onRun(runOf(input), async (id) => {
        const first = await call.run(async (session) => {
          await call.services.runs.get(session, id);
          return readMetricPage(session, id, key, { limit: pageLimit, after: after || null }).catch(
            refusedToken(after),
          );
        });
        if (first.next !== null && wanted > pageLimit) return Readable.from(inSteps(call, id, key, first, wanted));
        const { points, next } = first;
        return {
          ...(points.length > 0 && { metrics: points.map((point) => toMetric(key, point)) }),
          ...(next !== null && { next_page_token: next }),
        };
      });
    },
  ),
  jsonEndpoint(
    ['GET'],
    '/mlflow/metrics/get-history-bulk',
    Role.VIEWER,
    z.object({ run_id: repeated(z.string()), metric_key: string, max_results: integer }),
    async (call, { run_id: texts, metric_key: key, max_results: limit }) => {
      if (texts.length === 0) throw invalidParameter('GetMetricHistoryBulk request must specify at least one run_id.');
      if (texts.length > MAX_RUNS_PER_REQUEST) {
        throw invalidParameter(
          `GetMetricHistoryBulk request cannot specify more than ${MAX_RUNS_PER_REQUEST} run_ids. Received ` +
            `${texts.length} run_ids.`,
        );
      }
      if (key === '') throw invalidParameter('GetMetricHistoryBulk request must specify a metric_key.');
      const count = Math.min(limit ?? MAX_BULK_RESULTS, MAX_BULK_RESULTS);
      if (count < 1)
        throw invalidParameter(
          `Invalid value ${count} for parameter 'max_results' supplied. It must be a positive integer.`,
        );
      // Only here, runs that do not exist simply have no points.
      const ids = texts.map(fromHexId).filter((id) => id !== null);
      const points = await call.run((session) => readMetricOfRuns(session, ids, key, count));
      return { metrics: points.map((point) => toMetricOfRun(key, point)) };
    },
  ),
  jsonEndpoint(
    ['GET'],
    '/mlflow/metrics/get-history-bulk-interval',
    Role.VIEWER,
    z.object({
      run_ids: repeated(z.string()),
      metric_key: requiredString,
      start_step: integer,
      end_step: integer,
      max_results: integer,
    }),
    async (call, { run_ids: texts, metric_key: key, start_step: from, end_step: to, max_results: limit }) => {
      if (texts.length === 0) throw invalidParameter(`Missing value for required parameter 'run_ids'.${MORE}`);
      if (texts.length > MAX_RUNS_PER_REQUEST) {
        throw invalidParameter(
          `GetMetricHistoryBulkInterval request must specify at most ${MAX_RUNS_PER_REQUEST} run_ids. ` +
            `Received ${texts.length} run_ids.${MORE}`,
        );
      }
      const count = limit ?? MAX_RESULTS_PER_RUN;
      if (count < 1 || count > MAX_RESULTS_PER_RUN) {
        throw invalidParameter(`max_results must be between 1 and ${MAX_RESULTS_PER_RUN}.${MORE}`);
      }
      if ((from === null) !== (to === null))
        throw invalidParameter('If either start step or end step are specified, both must be specified.');
      if (from !== null && to !== null && from > to) {
        throw invalidParameter(
          `end_step must be greater than start_step. Found start_step=${from} and end_step=${to}.`,
        );
      }
      const steps = from === null || to === null ? null : { from, to };
      const points = await onRuns(texts, (ids) =>
        call.run(async (session) => {
          await call.services.runs.requireAll(session, ids);
          return sampleMetricOfRuns(session, ids, key, count, steps);
        }),
      );
      return points.length > 0 ? { metrics: points.map((point) => toMetricOfRun(key, point)) } : {};
    },
  ),
];

/** The answer as text, for a history that is too long to be held in memory. */
async function* inSteps(
  call: Call,
  runId: string,
  key: string,
  first: MetricPage,
  wanted: number,
): AsyncGenerator<string> {
  yield '{"metrics":[';
  let left = wanted;
  for (let page = first; ;) {
    yield page.points.map((point) => JSON.stringify(toMetric(key, point))).join(',');
    left -= page.points.length;
    const { next } = page;
    if (next === null || left === 0) return yield next === null ? ']}' : `],"next_page_token":${JSON.stringify(next)}}`;
    page = await call.runForPart((session) =>
      readMetricPage(session, runId, key, { limit: Math.min(left, POINTS_IN_MEMORY), after: next }),
    );
    if (page.points.length > 0) yield ',';
  }
}
