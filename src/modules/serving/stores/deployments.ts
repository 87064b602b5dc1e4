import type { EntityManager } from '@mikro-orm/postgresql';
import { Model } from '../../../db/entities/registry/model.entity.js';
import { Deployment } from '../../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';
import { noteWritten } from '../../../db/written.js';
import type { RuntimeName } from '../../../inference/port.js';
import type { ModelScaling } from '../../model-contract/index.js';
import { DEPLOYMENT_STATUS } from '../rules/deployment-status.js';

const tables = tablesOf(Deployment, Endpoint);
/** Clients of OpenAI's API know no pages of models. */
const MAX_LISTED = 10_000;

/**
 * The only function that changes the status of a deployment. CONFLICT when its current status does not allow it,
 * whatever the transaction has read before. `error` says why a model could not be loaded.
 */
export async function changeDeploymentStatus(
  { em, tenant }: Session,
  deployment: Deployment,
  status: Deployment['status'],
  error: string | null = null,
): Promise<void> {
  const { id } = deployment;
  const now = new Date();
  const endedAt = DEPLOYMENT_STATUS.isFinal(status) ? now : null;
  // A stopped deployment has no traffic.
  const weightBps = status === 'STOPPED' ? 0 : deployment.weightBps;
  const changed = await tables(em)
    .updateTable('deployment')
    .set({ status, error, ended_at: endedAt, weight_bps: weightBps, updated_at: now })
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .where('status', 'in', DEPLOYMENT_STATUS.before(status))
    .returning('id')
    .execute();
  if (changed.length === 0) {
    const query = tables(em)
      .selectFrom('deployment')
      .select('status')
      .where('tenant', '=', tenant)
      .where('id', '=', id);
    const present = await query.executeTakeFirstOrThrow();
    throw DEPLOYMENT_STATUS.refusal(present.status, status);
  }
  noteWritten(deployment, { status, error, endedAt, weightBps, updatedAt: now });
}

/** The deployments of all tenants that answer requests. */
export function answeringDeployments(em: EntityManager): Promise<{ tenant: string; id: string }[]> {
  return tables(em)
    .selectFrom('deployment')
    .select(['tenant', 'id'])
    .where('mode', '=', 'LIVE')
    .where('status', '=', 'READY')
    .orderBy('tenant')
    .orderBy('id')
    .execute();
}

/** What runs, or shall run, on a runtime, for all tenants; also as a member of an ensemble. */
export async function deployedOn(
  em: EntityManager,
  runtime: RuntimeName,
): Promise<{ id: string; versionId: string; status: string; scaling: ModelScaling | null }[]> {
  const rows = await tables(em)
    .selectFrom('deployment')
    .select(['id', 'model_version_id', 'status', 'scaling', 'fan_out'])
    .where('runtime', 'in', [runtime, 'FAN_OUT'])
    .where('status', 'in', ['PENDING', 'READY'])
    .execute();
  return rows.flatMap(({ id, model_version_id: versionId, status, scaling, fan_out: fanOut }) =>
    fanOut
      ? fanOut.members.flatMap((member) =>
          member.runtime === runtime ? [{ id, versionId: member.versionId, status, scaling: null }] : [],
        )
      : [{ id, versionId, status, scaling: scaling ?? null }],
  );
}

/** Those of these deployments, of any tenant, that ended before a time. */
export async function endedDeployments(em: EntityManager, ids: readonly string[], before: Date): Promise<string[]> {
  const found = await tables(em)
    .selectFrom('deployment')
    .select('id')
    .where('id', '=', anyOf('uuid', ids))
    .where('ended_at', '<', before)
    .execute();
  return found.map(({ id }) => id);
}

/** The endpoints at which a language model answers, by name. */
export function textEndpoints({ em, tenant }: Session): Promise<{ name: string; createdAt: Date }[]> {
  return tables(em)
    .selectFrom('endpoint as e')
    .select(['e.name', 'e.created_at as createdAt'])
    .where('e.tenant', '=', tenant)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('deployment as d')
          .select('d.id')
          .where('d.tenant', '=', tenant)
          .whereRef('d.endpoint_id', '=', 'e.id')
          .where('d.mode', '=', 'LIVE')
          .where('d.status', '=', 'READY')
          .where('d.runtime', '=', 'VLLM'),
      ),
    )
    .orderBy('e.name')
    .limit(MAX_LISTED)
    .execute();
}

/** For servers that know models by their names. */
export async function nameOfModel(em: EntityManager, id: string): Promise<string> {
  return (await em.findOneOrFail(Model, { id })).name;
}
