import type { EntityManager } from '@mikro-orm/postgresql';
import type { LoggedAnswers } from '../../../db/entities/serving/prediction-log.entity.js';
import { statement } from '../../../db/statement.js';

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

// Rows of deleted deployments are skipped, and those whose id is there already.
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
