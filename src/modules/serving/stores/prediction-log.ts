import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { Endpoint } from '../../../db/entities/serving/endpoint.entity.js';
import { PredictionLog, type LoggedAnswers } from '../../../db/entities/serving/prediction-log.entity.js';
import type { Session } from '../../../db/database.js';
import { jsonOf, statement } from '../../../db/statement.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(PredictionLog, Endpoint);

/** A row of the prediction log, of any tenant. */
export interface LogRow {
  id: string;
  tenant: string;
  endpointId: string;
  deploymentId: string;
  modelVersionId: string;
  mode: 'LIVE' | 'SHADOW';
  requestId: string;
  rows: number;
  latencyMs: number;
  errorCode: string | null;
  inputs: Record<string, unknown[]>;
  scores: readonly number[];
  answers: LoggedAnswers | null;
}

// Rows of deleted deployments, and rows whose id exists already, are skipped.
const addRows = statement({
  name: 'add_logged_predictions',
  text: `insert into prediction_log (id, tenant, endpoint_id, deployment_id, model_version_id, mode, request_id, rows,
      latency_ms, error_code, inputs, scores, answers)
    select p.* from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::int[],
        $9::float8[], $10::text[], $11::jsonb[], $12::jsonb[], $13::jsonb[])
      as p(id, tenant, endpoint_id, deployment_id, model_version_id, mode, request_id, rows, latency_ms, error_code,
        inputs, scores, answers)
    join deployment d on d.tenant = p.tenant and d.id = p.deployment_id
    on conflict (id) do nothing`,
  row: {},
});

export async function addLogRows(em: EntityManager, rows: readonly LogRow[]): Promise<void> {
  const column = <K extends keyof LogRow>(key: K) => rows.map((row) => row[key]);
  await addRows(em, [
    ...[column('id'), column('tenant'), column('endpointId'), column('deploymentId'), column('modelVersionId')],
    ...[column('mode'), column('requestId'), column('rows'), column('latencyMs'), column('errorCode')],
    rows.map(({ inputs }) => JSON.stringify(inputs)),
    rows.map(({ scores }) => JSON.stringify(scores)),
    rows.map(({ answers }) => answers && JSON.stringify(answers)),
  ]);
}

// The score is the value, or the probability of the second of two classes.
const rowsOfRequests = statement({
  name: 'logged_rows_of_requests',
  text: `select a.index, p.id, p.deployment_id as "deploymentId", p.model_version_id as "modelVersionId",
      p.created_at as "loggedAt", p.rows, p.error_code as "errorCode", p.answers->>'kind' as kind,
      p.answers->'labels'->>a.row as label,
      case when p.answers->>'kind' = 'VALUES' or (p.answers->>'classCount')::int = 2
        then (p.scores->>a.row)::float8 end as score,
      (p.answers->'probabilities'->a.row)::json as probabilities
    from unnest($1::int[], $2::text[], $3::int[]) as a(index, request_id, row)
    join prediction_log p on p.tenant = $4 and p.endpoint_id = $5 and p.request_id = a.request_id and p.mode = 'LIVE'`,
  row: {
    ...{ index: 'integer', id: 'uuid', deploymentId: 'uuid', modelVersionId: 'uuid' },
    ...{ loggedAt: 'timestamp with time zone', rows: 'integer', errorCode: 'text?', kind: 'text?', label: 'text?' },
    ...{ score: 'double precision?', probabilities: jsonOf<number[] | null>() },
  },
});

/**
 * Rows of live requests at an endpoint as the log has them. If several requests have the same id, a row appears once
 * for each.
 */
export function loggedRowsOf(
  { em, tenant }: Session,
  endpointId: string,
  asked: readonly { index: number; requestId: string; row: number }[],
) {
  return rowsOfRequests(em, [
    asked.map(({ index }) => index),
    asked.map(({ requestId }) => requestId),
    asked.map(({ row }) => row),
    ...[tenant, endpointId],
  ]);
}

/** The place where a reader of the log stopped: the time and the id of the last row. The time has microseconds. */
export interface LogCursor {
  loggedAfter: string;
  loggedAfterId: string;
}

/** The newest answered live requests after a cursor, oldest first, with about `maxRows` rows in all. */
export function newestAnswered(
  { em, tenant }: Session,
  deploymentId: string,
  { loggedAfter, loggedAfterId }: LogCursor,
  maxRows: number,
) {
  return tables(em)
    .selectFrom((from) =>
      from
        .selectFrom('prediction_log')
        .select(['id', 'created_at', 'rows', 'inputs', 'scores'])
        .select(sql<number>`sum(rows) over (order by created_at desc, id desc) - rows`.as('newer_rows'))
        .where('tenant', '=', tenant)
        .where('deployment_id', '=', deploymentId)
        .where('mode', '=', 'LIVE')
        .where('error_code', 'is', null)
        .where(sql<boolean>`(created_at, id) > (${loggedAfter}::timestamptz, ${loggedAfterId}::uuid)`)
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(maxRows)
        .as('newest'),
    )
    .select(['id', sql<string>`created_at::text`.as('createdAtText'), 'rows', 'inputs', 'scores'])
    .where('newer_rows', '<', maxRows)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/**
 * Answered live requests of a deployment within [from, to), oldest first, with about `maxRows` rows in all; with `all`
 * also those that failed, and copies for a shadow.
 */
export function answeredPage(
  { em, tenant }: Session,
  deploymentId: string,
  range: { from: Date; to: Date; after: LogCursor | null; all: boolean },
  maxRows: number,
) {
  const { from: begin, to: end, after, all } = range;
  return tables(em)
    .selectFrom((from) =>
      from
        .selectFrom('prediction_log')
        .select(['id', 'created_at', 'request_id', 'rows', 'latency_ms', 'inputs', 'scores', 'answers'])
        .select(['mode', 'error_code'])
        .select(sql<number>`sum(rows) over (order by created_at, id) - rows`.as('earlier_rows'))
        .where('tenant', '=', tenant)
        .where('deployment_id', '=', deploymentId)
        .$if(!all, (query) => query.where('mode', '=', 'LIVE').where('error_code', 'is', null))
        .where('created_at', '>=', begin)
        .where('created_at', '<', end)
        .$if(after !== null, (query) =>
          query.where(
            sql<boolean>`(created_at, id) > (${after!.loggedAfter}::timestamptz, ${after!.loggedAfterId}::uuid)`,
          ),
        )
        .orderBy('created_at')
        .orderBy('id')
        .limit(maxRows)
        .as('page'),
    )
    .select(['id', 'created_at as loggedAt', 'request_id as requestId', 'rows', 'latency_ms as latencyMs'])
    .select(['inputs', 'scores', 'answers', sql<string>`created_at::text`.as('loggedAtText')])
    .select(['mode', 'error_code as errorCode'])
    .where('earlier_rows', '<', maxRows)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/**
 * Deletes rows of all tenants that are older than their endpoint keeps them, at most `limit` of them. Those that are to
 * be in a file of its archive stay until they are.
 */
export async function deleteOldPredictions(em: EntityManager, limit: number): Promise<void> {
  await tables(em)
    .deleteFrom('prediction_log')
    .where('id', 'in', (from) =>
      from
        .selectFrom('prediction_log as p')
        .innerJoin('endpoint as e', (join) =>
          join.onRef('e.id', '=', 'p.endpoint_id').onRef('e.tenant', '=', 'p.tenant'),
        )
        .select('p.id')
        .where('p.created_at', '<', sql<Date>`now() - interval '1 day'`)
        .where('p.created_at', '<', sql<Date>`now() - e.log_retention_days * interval '1 day'`)
        .where((where) =>
          where.or([
            where('e.log_archive_days', '=', 0),
            where('p.created_at', '<', where.ref('e.log_archived_until')),
          ]),
        )
        .limit(limit),
    )
    .execute();
}
