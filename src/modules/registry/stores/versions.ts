import { sql } from 'kysely';
import { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import { StageTransition } from '../../../db/entities/registry/stage-transition.entity.js';
import type { Session } from '../../../db/database.js';
import type { Signature } from '../../model-contract/index.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(ModelVersion, StageTransition);

/** The greatest semantic version among the model's versions that have not FAILED; null when there is none. */
export async function greatestSemanticVersion({ em, tenant }: Session, modelId: string): Promise<string | null> {
  const greatest = await tables(em)
    .selectFrom('model_version')
    .select('semantic_version as text')
    .where('tenant', '=', tenant)
    .where('model_id', '=', modelId)
    .where('status', '<>', 'FAILED')
    .orderBy(sql`string_to_array(semantic_version, '.')::int[]`, 'desc')
    .limit(1)
    .executeTakeFirst();
  return greatest?.text ?? null;
}

/** The version that was in PRODUCTION at a time; null when there was none. */
export async function idInProductionAt({ em, tenant }: Session, modelId: string, at: Date): Promise<string | null> {
  const found = await tables(em)
    .selectFrom('stage_transition as entered')
    .select('entered.model_version_id as id')
    .where('entered.tenant', '=', tenant)
    .where('entered.model_id', '=', modelId)
    .where('entered.to_stage', '=', 'PRODUCTION')
    .where('entered.created_at', '<=', at)
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('stage_transition as gone')
            .select('gone.id')
            .whereRef('gone.tenant', '=', 'entered.tenant')
            .whereRef('gone.model_version_id', '=', 'entered.model_version_id')
            .where('gone.from_stage', '=', 'PRODUCTION')
            .whereRef('gone.created_at', '>', 'entered.created_at')
            .where('gone.created_at', '<=', at),
        ),
      ),
    )
    .orderBy('entered.created_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return found?.id ?? null;
}

/** Prevents others from deleting the version until the transaction ends; its stage may change. */
export async function keepVersion({ em, tenant }: Session, id: string): Promise<void> {
  await tables(em)
    .selectFrom('model_version')
    .select('id')
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .forKeyShare()
    .execute();
}

/**
 * The standard deviation of the predictions in the reference profile, by version; versions without a profile are left
 * out.
 */
export async function predictionSpreads(
  { em, tenant }: Session,
  versionIds: readonly string[],
): Promise<Map<string, number>> {
  const spread = sql<number | null>`(reference->'prediction'->>'std')::float8`;
  const rows = await tables(em)
    .selectFrom('model_version')
    .select(['id', spread.as('std')])
    .where('tenant', '=', tenant)
    .where('id', '=', anyOf('uuid', versionIds))
    .execute();
  return new Map(rows.flatMap(({ id, std }) => (std === null ? [] : [[id, std]])));
}

/** What the versions of a model take and answer; without versions of which this is not known yet. */
export async function versionSignatures({ em, tenant }: Session, modelId: string): Promise<Signature[]> {
  const found = await em.find(ModelVersion, { tenant, modelId, signature: { $ne: null } }, { fields: ['signature'] });
  return found.flatMap(({ signature }) => (signature ? [signature] : []));
}
