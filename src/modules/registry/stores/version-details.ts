import { Evaluation } from '../../../db/entities/evaluation/evaluation.entity.js';
import { Approval } from '../../../db/entities/registry/approval.entity.js';
import { GateResult } from '../../../db/entities/registry/gate-result.entity.js';
import { ModelAlias } from '../../../db/entities/registry/model-alias.entity.js';
import { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import { StageTransition } from '../../../db/entities/registry/stage-transition.entity.js';
import { sql } from 'kysely';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(Approval, Evaluation, GateResult, ModelAlias, ModelVersion, StageTransition);

/** The aliases of each model, or of each version. */
export const aliasesOf =
  (column: 'model_id' | 'model_version_id') =>
  ({ em, tenant }: Session, ownerIds: readonly string[]) =>
    tables(em)
      .selectFrom('model_alias')
      .select([`${column} as ownerId`, 'id', 'model_id as modelId', 'model_version_id as modelVersionId', 'alias'])
      .select(['created_by as createdBy', 'created_at as createdAt', 'updated_at as updatedAt'])
      .where('tenant', '=', tenant)
      .where(column, '=', anyOf('uuid', ownerIds))
      .orderBy(sql`alias collate "C"`)
      .execute();

/** The newest `limit` decisions about each version, newest first. */
export function newestApprovalsOf({ em, tenant }: Session, versionIds: readonly string[], limit: number) {
  return tables(em)
    .selectFrom((from) =>
      from
        .selectFrom('approval')
        .selectAll()
        .select((select) =>
          select.fn
            .agg<number>('row_number')
            .over((over) => over.partitionBy('model_version_id').orderBy('created_at', 'desc').orderBy('id', 'desc'))
            .as('place'),
        )
        .where('tenant', '=', tenant)
        .where('model_version_id', '=', anyOf('uuid', versionIds))
        .as('newest'),
    )
    .select(['model_version_id as ownerId', 'id', 'model_version_id as modelVersionId', 'to_stage as toStage'])
    .select(['decision', 'reason', 'created_by as createdBy', 'created_at as createdAt'])
    .where('place', '<=', limit)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

/** The newest `limit` evaluations of each version, newest first. */
export function newestEvaluationsOf({ em, tenant }: Session, versionIds: readonly string[], limit: number) {
  return tables(em)
    .selectFrom((from) =>
      from
        .selectFrom('evaluation')
        .selectAll()
        .select((select) =>
          select.fn
            .agg<number>('row_number')
            .over((over) => over.partitionBy('model_version_id').orderBy('created_at', 'desc').orderBy('id', 'desc'))
            .as('place'),
        )
        .where('tenant', '=', tenant)
        .where('model_version_id', '=', anyOf('uuid', versionIds))
        .as('newest'),
    )
    .select(['model_version_id as ownerId', 'id', 'model_version_id as modelVersionId', 'report'])
    .select(['baseline_version_id as baselineVersionId', 'dataset_id as datasetId'])
    .select(['created_by as createdBy', 'created_at as createdAt'])
    .where('place', '<=', limit)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

/** The newest result of each gate of each version. */
export function newestGatesOf({ em, tenant }: Session, versionIds: readonly string[]) {
  return tables(em)
    .selectFrom('gate_result')
    .distinctOn(['model_version_id', 'gate'])
    .select(['model_version_id as ownerId', 'id', 'gate', 'passed', 'checks'])
    .select(['compared_with_id as comparedWithId', 'created_at as createdAt'])
    .where('tenant', '=', tenant)
    .where('model_version_id', '=', anyOf('uuid', versionIds))
    .orderBy('model_version_id')
    .orderBy('gate')
    .orderBy('gate_result.created_at', 'desc')
    .orderBy('gate_result.id', 'desc')
    .execute();
}

/** The stage transitions of each version, newest first. */
export function transitionsOf({ em, tenant }: Session, versionIds: readonly string[]) {
  return tables(em)
    .selectFrom('stage_transition')
    .select(['model_version_id as ownerId', 'id', 'model_version_id as modelVersionId', 'from_stage as fromStage'])
    .select(['to_stage as toStage', 'reason', 'override', 'created_by as createdBy', 'created_at as createdAt'])
    .where('tenant', '=', tenant)
    .where('model_version_id', '=', anyOf('uuid', versionIds))
    .orderBy('stage_transition.created_at', 'desc')
    .orderBy('stage_transition.id', 'desc')
    .execute();
}

/** The newest `limit` versions that were registered from each logged model. */
export async function newestVersionIdsOf(
  { em, tenant }: Session,
  loggedModelIds: readonly string[],
  limit: number,
): Promise<string[]> {
  const rows = await tables(em)
    .selectFrom((from) =>
      from
        .selectFrom('model_version')
        .select('id')
        .select((select) =>
          select.fn
            .agg<number>('row_number')
            .over((over) => over.partitionBy('logged_model_id').orderBy('created_at', 'desc').orderBy('id', 'desc'))
            .as('place'),
        )
        .where('tenant', '=', tenant)
        .where('logged_model_id', '=', anyOf('uuid', loggedModelIds))
        .as('newest'),
    )
    .select('id')
    .where('place', '<=', limit)
    .execute();
  return rows.map(({ id }) => id);
}
