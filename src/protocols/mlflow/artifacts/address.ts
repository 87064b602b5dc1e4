import type { Session } from '../../../db/database.js';
import { freeArtifactPath, fromHexId, toHexId } from '../../../modules/core/index.js';
import type { Services } from '../../../services.js';
import type { CheckedArtifactAddress, FolderOwner, ArtifactAddress } from '../../../modules/artifacts/index.js';
import { invalidParameter, whenAbsent } from '../errors.js';
import {
  DEFAULT_EXPERIMENT,
  loggedModelIdOf,
  noLoggedModel,
  noRun,
  runIdOf,
  toExperimentId,
  toModelId,
} from '../ids.js';
import { findExperiment } from '../experiments/lookup.js';
import { artifactUri } from '../experiments/views.js';

/** Checks a path below an artifact root; '' is the root itself. */
export function safePath(text: string): string {
  const path = freeArtifactPath(text);
  if (path === null) throw invalidParameter('Invalid path');
  return path;
}

/**
 * The address that a proxy path names: `<experiment>/<run>/artifacts/…` or `<experiment>/models/<model>/artifacts/…`;
 * the proxy has no other paths. Its `check` decides whether the caller's tenant has that run or model.
 */
export function parseProxyPath(services: Services, text: string): CheckedArtifactAddress {
  const segments = safePath(text).split('/');
  const isModel = segments[1] === 'models';
  const [name = '', marker, ...rest] = segments.slice(isModel ? 2 : 1);
  if (marker !== 'artifacts') {
    throw invalidParameter(
      'Invalid path: artifacts are under <experiment id>/<run id>/artifacts and <experiment ' +
        'id>/models/<model id>/artifacts.',
    );
  }
  const owner = isModel ? { loggedModelId: loggedModelIdOf(name) } : { runId: runIdOf(name) };
  const [given = ''] = segments;
  const check: CheckedArtifactAddress['check'] = async (session, experiment) => {
    if (toExperimentId(experiment) !== given && (await findExperiment(session, services, given)).id !== experiment.id)
      throw noOwner(owner, name);
  };
  // Checked again, because a path can be dangerous only after its beginning was removed.
  const experiment = given === DEFAULT_EXPERIMENT ? 'DEFAULT' : fromHexId(given);
  return { owner, path: safePath(rest.join('/')), check, experiment };
}

export async function findAddress(session: Session, services: Services, text: string): Promise<ArtifactAddress> {
  const { owner, path, check } = parseProxyPath(services, text);
  await check(session, await experimentOf(session, services, owner));
  return { owner, path };
}

/** The URI at which clients find the artifacts of a run or a logged model. */
export async function rootOf(session: Session, services: Services, owner: FolderOwner): Promise<string> {
  const experiment = await experimentOf(session, services, owner);
  return artifactUri(experiment, `${'runId' in owner ? '' : 'models/'}${nameOf(owner)}/artifacts`);
}

const nameOf = (owner: FolderOwner) => ('runId' in owner ? toHexId(owner.runId) : toModelId(owner.loggedModelId));

const noOwner = (owner: FolderOwner, name: string) => ('runId' in owner ? noRun(name) : noLoggedModel(name));

/** For `catch`: the error for an owner that does not exist, with the name that the client gave. */
export const whenNoOwner = (owner: FolderOwner) => whenAbsent(() => noOwner(owner, nameOf(owner)));

const experimentOf = (session: Session, services: Services, owner: FolderOwner) =>
  services.artifactFolders.experimentOf(session, owner).catch(whenNoOwner(owner));

/** An address that a file can have. */
export async function findFileAddress(session: Session, services: Services, text: string): Promise<ArtifactAddress> {
  return ofFile(await findAddress(session, services, text));
}

export function ofFile<Address extends ArtifactAddress>(address: Address): Address {
  if (address.path === '') throw invalidParameter('Invalid path');
  return address;
}
