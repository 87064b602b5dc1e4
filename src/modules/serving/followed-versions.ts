import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { type Followed, followProblem } from './rules/following.js';
import { endpointReadiness, type LiveDeployments, type Readiness } from './rules/readiness.js';

interface FollowedVersion {
  /** The version in the stage, or of the alias, that the endpoint follows. */
  versionId: string | null;
  /** Why another version serves. */
  problem: string | null;
}

const NOTHING: FollowedVersion = { versionId: null, problem: null };

/** The version that each endpoint should serve by what it follows, in one statement. */
export async function readFollowed(session: Session, endpointIds: readonly string[]): Promise<FollowedVersion[]> {
  const rows = await readRows(session, endpointIds);
  const found = new Map(
    rows.map(({ id, versionId, ...followed }) => [id, { versionId, problem: followProblem(followed) }]),
  );
  return endpointIds.map((id) => found.get(id) ?? NOTHING);
}

/** Whether an endpoint serves, and whether it serves what it should. */
export async function readReadiness(session: Session, endpointId: string): Promise<Readiness> {
  const [followed] = await readRows(session, [endpointId]);
  const [live] = await sql<LiveDeployments>(
    session.em,
    `select count(*) filter (where status = 'READY' and weight_bps > 0)::int as serving,
      count(*) filter (where status = 'PENDING')::int as pending,
       (array_agg(error order by created_at desc) filter (where status = 'FAILED'))[1] as error
     from deployment where tenant = ? and endpoint_id = ? and mode = 'LIVE'`,
    [session.tenant, endpointId],
  );
  return endpointReadiness(followed ?? { stage: null, alias: null, version: null }, live!);
}

function readRows(
  session: Session,
  endpointIds: readonly string[],
): Promise<(Followed & { id: string; versionId: string | null })[]> {
  return sql(
    session.em,
    `select e.id, e.follow_stage as stage, e.follow_alias as alias, v.id as "versionId",
       case when v.id is not null then json_build_object('version', v.version, 'status', v.status, 'hasOnnx',
         v.object_key is not null,
         'deploymentStatus', (select d.status from deployment d
           where d.tenant = e.tenant and d.endpoint_id = e.id and d.model_version_id = v.id and d.mode = 'LIVE'
           order by d.created_at desc, d.id desc limit 1)) end as version
     from endpoint e
     left join model_alias a on a.tenant = e.tenant and a.model_id = e.model_id and a.alias = e.follow_alias
     left join lateral (select * from model_version v where v.tenant = e.tenant and v.model_id = e.model_id
       and (v.id = a.model_version_id or (v.stage = e.follow_stage and v.status = 'READY')) order by v.version desc
         limit 1) v on true
     where e.tenant = ? and e.id = any(?::uuid[])`,
    [session.tenant, [...endpointIds]],
  );
}
