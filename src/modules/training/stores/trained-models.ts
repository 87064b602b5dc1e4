import { v7 as uuidv7 } from 'uuid';
import { TrainedModelRow } from '../../../db/entities/training/trained-model.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf, toJson } from '../../../db/tables.js';
import { conflict } from '../../../errors.js';
import { type StoredTrainedModel, type TrainedModel, trainedModelSchema } from '../rules/trained-model.js';

const tables = tablesOf(TrainedModelRow);

/** Call in the transaction that ends the training. */
export async function addTrainedModel(
  { em, tenant }: Session,
  runId: string,
  trained: StoredTrainedModel,
): Promise<void> {
  // JSON has no NaN and no infinity.
  const { metrics, agreementMaxAbsDiff } = trainedModelSchema.parse(trained);
  await tables(em)
    .insertInto('trained_model')
    .values({
      ...{ id: uuidv7(), tenant, run_id: runId, created_at: new Date() },
      ...{ dataset_id: trained.datasetId, format: trained.format, agreement_max_abs_diff: agreementMaxAbsDiff },
      ...{ files: toJson(trained.files), signature: toJson(trained.signature), metrics: toJson(metrics) },
      ...{ reference: toJson(trained.reference), row_counts: toJson(trained.rowCounts) },
      config: toJson(trained.config),
    })
    .execute();
}

/** The model that the run's training has made; null when the run has no training, or its training has not succeeded. */
export async function trainedModelOf(
  { em, tenant }: Session,
  runId: string | null | undefined,
): Promise<TrainedModel | null> {
  if (!runId) return null;
  const row = await tables(em)
    .selectFrom('trained_model')
    .select(['dataset_id as datasetId', 'format', 'files', 'signature', 'metrics', 'reference', 'config'])
    .select(['agreement_max_abs_diff as agreementMaxAbsDiff', 'row_counts as rowCounts'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .executeTakeFirst();
  if (!row) return null;
  const parsed = trainedModelSchema.safeParse(row);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') ?? '';
  throw conflict(
    `The trained model of run ${runId} cannot be read, as another release of the service stored it: ` +
      `${field}: ${issue?.message ?? 'JSON of another shape'}. Start such a training anew.`,
    { field, expected: issue?.message ?? 'JSON of another shape' },
  );
}
