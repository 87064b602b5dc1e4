import { sql } from 'kysely';
import { ModelAlias } from '../../../db/entities/registry/model-alias.entity.js';
import { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';
import type { Followed } from '../rules/following.js';
import type { LiveDeployments } from '../rules/readiness.js';

const tables = tablesOf(Deployment, Endpoint, ModelAlias, ModelVersion);

export interface FollowedRow extends Followed {
  endpointId: string;
  versionId: string | null;
}

/** What each endpoint follows, and the version to which this leads now. */
export async function followedBy({ em, tenant }: Session, endpointIds: readonly string[]): Promise<FollowedRow[]> {
  const rows = await tables(em)
    .selectFrom('endpoint as e')
    .leftJoin('model_alias as a', (on) =>
      on
        .onRef('a.tenant', '=', 'e.tenant')
        .onRef('a.model_id', '=', 'e.model_id')
        .onRef('a.alias', '=', 'e.follow_alias'),
    )
    .leftJoinLateral(
      (from) =>
        from
          .selectFrom('model_version')
          .select(['id', 'version', 'status', 'object_key'])
          .whereRef('tenant', '=', 'e.tenant')
          .whereRef('model_id', '=', 'e.model_id')
          .where((where) =>
            where.or([
              where('id', '=', where.ref('a.model_version_id')),
              where.and([where('stage', '=', where.ref('e.follow_stage')), where('status', '=', 'READY')]),
            ]),
          )
          .orderBy('version', 'desc')
          .limit(1)
          .as('v'),
      (on) => on.onTrue(),
    )
    .select(['e.id as endpointId', 'e.follow_stage as stage', 'e.follow_alias as alias', 'v.id as versionId'])
    .select(['v.version as number', 'v.status', 'v.object_key as objectKey'])
    .select((select) =>
      select
        .selectFrom('deployment as d')
        .select('d.status')
        .whereRef('d.tenant', '=', 'e.tenant')
        .whereRef('d.endpoint_id', '=', 'e.id')
        .whereRef('d.model_version_id', '=', 'v.id')
        .where('d.mode', '=', 'LIVE')
        .orderBy('d.created_at', 'desc')
        .orderBy('d.id', 'desc')
        .limit(1)
        .as('deploymentStatus'),
    )
    .where('e.tenant', '=', tenant)
    .where('e.id', '=', anyOf('uuid', endpointIds))
    .execute();
  return rows.map(({ number, status, objectKey, deploymentStatus, ...row }) => ({
    ...row,
    version:
      number === null || status === null
        ? null
        : { version: number, status, hasOnnx: objectKey !== null, deploymentStatus },
  }));
}

/** The live deployments of an endpoint, counted by state. */
export function liveDeployments({ em, tenant }: Session, endpointId: string): Promise<LiveDeployments> {
  return tables(em)
    .selectFrom('deployment')
    .select((select) => [
      select.fn
        .countAll<number>()
        .filterWhere((where) => where.and([where('status', '=', 'READY'), where('weight_bps', '>', 0)]))
        .as('serving'),
      select.fn.countAll<number>().filterWhere('status', '=', 'PENDING').as('pending'),
      sql<string | null>`(array_agg(error order by created_at desc) filter (where status = 'FAILED'))[1]`.as('error'),
    ])
    .where('tenant', '=', tenant)
    .where('endpoint_id', '=', endpointId)
    .where('mode', '=', 'LIVE')
    .executeTakeFirstOrThrow();
}
