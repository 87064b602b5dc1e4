import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import { checkSemanticVersion, nextSemanticVersion, type VersionChange } from './rules/semver.js';
import { conflict } from '../../errors.js';
import { greatestSemanticVersion } from './stores/versions.js';

/**
 * The next semantic version after the greatest one of the model, whoever set that one. The caller holds the model's
 * lock.
 */
export async function semanticVersionAfter(session: Session, modelId: string, change: VersionChange): Promise<string> {
  return nextSemanticVersion(await greatestSemanticVersion(session, modelId), change);
}

/**
 * Checks a semantic version that a user gives: any that no other version of the model has, also below the greatest one,
 * for a correction of an older line.
 */
export async function freeSemanticVersion(session: Session, modelId: string, text: string): Promise<string> {
  const semanticVersion = checkSemanticVersion('input.semanticVersion', text);
  const where = { tenant: session.tenant, modelId, semanticVersion, status: { $ne: 'FAILED' as const } };
  const taken = await session.em.findOne(ModelVersion, where);
  if (!taken) return semanticVersion;
  throw conflict(`Version ${taken.version} has the semantic version ${semanticVersion} already.`, {
    field: 'input.semanticVersion',
    expected: 'one that no version of the model has',
    got: semanticVersion,
  });
}
