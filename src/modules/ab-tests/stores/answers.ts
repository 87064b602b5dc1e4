import type { EntityManager } from '@mikro-orm/postgresql';
import { AbTest } from '../../../db/entities/ab-tests/ab-test.entity.js';
import { AbTestAnswer } from '../../../db/entities/ab-tests/ab-test-counts.entity.js';
import { insertNew } from '../../../db/bulk-insert.js';
import type { Session } from '../../../db/database.js';
import { jsonOf, statement } from '../../../db/statement.js';
import { tablesOf } from '../../../db/tables.js';

const tables = tablesOf(AbTest, AbTestAnswer);

/** The answers to one request. */
export interface KeptAnswer {
  tenant: string;
  testId: string;
  id: string;
  key: string;
  requestId: string;
  deploymentId: string;
  modelVersionId: string;
  answeredAt: Date;
  labels: string[] | null;
  values: number[] | null;
}

/** The answers of a test that is over are of no use any more, and were deleted at its end. */
export async function addAnswers(em: EntityManager, rows: readonly KeptAnswer[]): Promise<void> {
  const ids = [...new Set(rows.map(({ testId }) => testId))];
  if (ids.length === 0) return;
  const active = await tables(em)
    .selectFrom('ab_test')
    .select('id')
    .where('id', 'in', ids)
    .where('status', 'in', ['PLANNED', 'RUNNING'])
    .execute();
  const wanted = new Set(active.map(({ id }) => id));
  await insertNew(
    em,
    AbTestAnswer,
    rows
      .filter(({ testId }) => wanted.has(testId))
      .map(({ tenant, testId, id, key, requestId, deploymentId, modelVersionId, answeredAt, labels, values }) => ({
        ...{ tenant, test_id: testId, id, key, request_id: requestId, deployment_id: deploymentId },
        ...{ model_version_id: modelVersionId, answered_at: answeredAt.toISOString(), labels, values },
      })),
  );
}

/** The test is over. */
export async function deleteAnswers({ em, tenant }: Session, testId: string): Promise<void> {
  await tables(em).deleteFrom('ab_test_answer').where('tenant', '=', tenant).where('test_id', '=', testId).execute();
}

const rowsOfRequests = statement({
  name: 'kept_rows_of_requests',
  text: `select q.index, a.id, a.deployment_id as "deploymentId", a.model_version_id as "modelVersionId",
      a.answered_at as "loggedAt", jsonb_array_length(coalesce(a.labels, a."values")) as rows,
      null::text as "errorCode", case when a.labels is null then 'VALUES' else 'CLASSES' end as kind,
      a.labels->>q.row as label, (a."values"->>q.row)::float8 as score, null::json as probabilities
    from unnest($1::int[], $2::text[], $3::int[]) as q(index, request_id, row)
    join ab_test t on t.tenant = $4 and t.endpoint_id = $5 and t.status in ('PLANNED', 'RUNNING')
    join ab_test_answer a on a.tenant = t.tenant and a.test_id = t.id and a.request_id = q.request_id`,
  row: {
    ...{ index: 'integer', id: 'uuid', deploymentId: 'uuid', modelVersionId: 'uuid' },
    ...{ loggedAt: 'timestamp with time zone', rows: 'integer', errorCode: 'text?', kind: 'text?', label: 'text?' },
    ...{ score: 'double precision?', probabilities: jsonOf<number[] | null>() },
  },
});

/** Rows of requests that the active test of an endpoint has kept, like those of the log. */
export function keptRowsOf(
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
