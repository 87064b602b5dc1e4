import { sql } from 'kysely';
import { GroundTruth } from '../../../db/entities/monitoring/ground-truth.entity.js';
import type { Session } from '../../../db/database.js';
import { statement } from '../../../db/statement.js';
import { anyOf, tablesOf } from '../../../db/tables.js';
import type { ComparedAnswer } from '../rules/ground-truth.js';

const tables = tablesOf(GroundTruth);

/** The ground truth of one row of a logged request, with its prediction. */
export interface NewGroundTruth extends ComparedAnswer {
  id: string;
  deploymentId: string;
  predictionId: string;
  requestId: string;
  rowIndex: number;
  predictedAt: Date;
  observedAt: Date | null;
}

// In the order of the rows' keys, so that two batches with the same rows cannot deadlock.
const writeRows = statement({
  name: 'write_ground_truth',
  text: `insert into ground_truth as t (id, tenant, endpoint_id, deployment_id, prediction_id, request_id, row_index,
      predicted_at, label, value, predicted_label, predicted_value, log_loss, observed_at, created_by)
    select g.id, $1, $2, g.deployment_id, g.prediction_id, g.request_id, g.row_index, g.predicted_at, g.label, g.value,
      g.predicted_label, g.predicted_value, g.log_loss, g.observed_at, $3
    from unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::int[], $9::timestamptz[], $10::text[],
        $11::float8[], $12::text[], $13::float8[], $14::float8[], $15::timestamptz[])
      as g(id, deployment_id, prediction_id, request_id, row_index, predicted_at, label, value, predicted_label,
        predicted_value, log_loss, observed_at)
    order by g.prediction_id, g.row_index
    on conflict (tenant, prediction_id, row_index) do update set label = excluded.label, value = excluded.value,
      log_loss = excluded.log_loss, observed_at = excluded.observed_at, created_by = excluded.created_by,
      updated_at = date_trunc('milliseconds', clock_timestamp()),
      history = (case when jsonb_array_length(t.history) >= $16 then t.history - 0 else t.history end)
        || jsonb_build_array(jsonb_build_object('label', t.label, 'value', t.value, 'observedAt', t.observed_at,
          'recordedAt', t.updated_at, 'recordedBy', t.created_by))
    where (t.label is distinct from excluded.label or t.value is distinct from excluded.value)
      and (excluded.observed_at < t.observed_at) is not true
    returning xmax = 0 as "isNew"`,
  row: { isNew: 'boolean?' },
});

/**
 * Rows that had another ground truth keep it in their history, which has at most `maxHistory` entries. One that became
 * known before the recorded one changes nothing.
 */
export async function writeGroundTruths(
  { em, tenant, principal }: Session,
  endpointId: string,
  truths: readonly NewGroundTruth[],
  maxHistory: number,
): Promise<{ added: number; replaced: number }> {
  const column = <K extends keyof NewGroundTruth>(key: K) => truths.map((truth) => truth[key]);
  const rows = await writeRows(em, [
    ...[tenant, endpointId, principal.subject],
    ...[column('id'), column('deploymentId'), column('predictionId'), column('requestId'), column('rowIndex')],
    ...[column('predictedAt'), column('label'), column('value'), column('predictedLabel'), column('predictedValue')],
    ...[column('logLoss'), column('observedAt'), maxHistory],
  ]);
  const added = rows.filter(({ isNew }) => isNew).length;
  return { added, replaced: rows.length - added };
}

/** For each deployment with labels: the rows whose true class is known, and those that were answered wrongly. */
export async function answeredWrongly({ em, tenant }: Session, deploymentIds: readonly string[]) {
  return await tables(em)
    .selectFrom('ground_truth')
    .select(['deployment_id as deploymentId', (select) => select.fn.countAll<number>().as('labelled')])
    .select(sql<number>`count(*) filter (where label <> predicted_label)`.as('wrong'))
    .where('tenant', '=', tenant)
    .where('deployment_id', '=', anyOf('uuid', deploymentIds))
    .where('label', 'is not', null)
    .where('predicted_label', 'is not', null)
    .groupBy('deployment_id')
    .execute();
}

/** Rows with ground truth, counted by window, true class and predicted class. Windows are numbered from 0. */
export function labelledCounts(
  { em, tenant }: Session,
  deploymentIds: readonly string[],
  { from, to, windowMs }: { from: Date; to: Date; windowMs: number },
) {
  const window = sql<number>`floor(extract(epoch from predicted_at - ${from}::timestamptz) * 1000 / ${windowMs}::float8)`;
  return tables(em)
    .selectFrom('ground_truth')
    .select([sql<number>`${window}::int`.as('window'), 'label', 'predicted_label as predictedLabel'])
    .select((select) => [
      select.fn.countAll<number>().as('rows'),
      sql<number>`coalesce(sum(log_loss), 0)`.as('logLossSum'),
      select.fn.count<number>('log_loss').as('logLossRows'),
      sql<number | null>`sum((value - predicted_value) ^ 2)`.as('squaredErrorSum'),
      sql<number | null>`sum(abs(value - predicted_value))`.as('absoluteErrorSum'),
      sql<number>`count(value - predicted_value)`.as('errorRows'),
    ])
    .where('tenant', '=', tenant)
    .where('deployment_id', '=', anyOf('uuid', deploymentIds))
    .where('predicted_at', '>=', from)
    .where('predicted_at', '<', to)
    .groupBy(sql`1, 2, 3`)
    .execute();
}

/** The ground truths of logged requests. */
export function truthsOf({ em, tenant }: Session, predictionIds: readonly string[]) {
  return tables(em)
    .selectFrom('ground_truth')
    .select(['prediction_id as predictionId', 'row_index as row', 'label', 'value', 'observed_at as observedAt'])
    .where('tenant', '=', tenant)
    .where('prediction_id', '=', anyOf('uuid', predictionIds))
    .execute();
}
