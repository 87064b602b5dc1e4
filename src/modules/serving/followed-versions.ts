import type { Session } from '../../db/database.js';
import { followProblem } from './rules/following.js';
import { endpointReadiness, type Readiness } from './rules/readiness.js';
import { followedBy, liveDeployments } from './stores/followed.js';

interface FollowedVersion {
  /** The version in the stage, or of the alias, that the endpoint follows. */
  versionId: string | null;
  /** Why another version serves. */
  problem: string | null;
}

const NOTHING: FollowedVersion = { versionId: null, problem: null };

/** The version that each endpoint should serve by what it follows, in one statement. */
export async function readFollowed(session: Session, endpointIds: readonly string[]): Promise<FollowedVersion[]> {
  const rows = await followedBy(session, endpointIds);
  const found = new Map(
    rows.map(({ endpointId, versionId, ...followed }) => [endpointId, { versionId, problem: followProblem(followed) }]),
  );
  return endpointIds.map((id) => found.get(id) ?? NOTHING);
}

/** Whether an endpoint serves, and whether it serves what it should. */
export async function readReadiness(session: Session, endpointId: string): Promise<Readiness> {
  const [followed] = await followedBy(session, [endpointId]);
  const live = await liveDeployments(session, endpointId);
  return endpointReadiness(followed ?? { stage: null, alias: null, version: null }, live);
}
