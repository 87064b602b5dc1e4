import type { Session } from '../../../db/database.js';
import { freeArtifactPath } from '../../../domain/tracking/artifact-path.js';
import { toHexId } from '../../../domain/tracking/run-tags.js';
import type { Services } from '../../../services/services.js';
import type { FolderOwner } from '../../../services/tracking/artifact-folder.service.js';
import { invalidParameter, whenAbsent } from '../errors.js';
import { loggedModelIdOf, noLoggedModel, noRun, runIdOf, toModelId } from '../ids.js';
import { findExperiment } from '../tracking/lookup.js';
import { artifactRoot } from '../tracking/views.js';

/** A file or folder among the artifacts of a run or a logged model. */
export interface Place {
  owner: FolderOwner;
  /** Below the owner's artifacts; '' is all of them. */
  path: string;
}

/** A path below an artifact root; '' for the root itself. */
export function safePath(text: string): string {
  const path = freeArtifactPath(text);
  if (path === null) throw invalidParameter('Invalid path');
  return path;
}

/**
 * What a path of the proxy stands for: `<experiment>/<run>/artifacts/…` or `<experiment>/models/<model>/artifacts/…` of the caller's
 * tenant. There is nothing else behind the proxy.
 */
export async function findPlace(session: Session, services: Services, text: string): Promise<Place> {
  const segments = safePath(text).split('/');
  const isModel = segments[1] === 'models';
  const [name = '', marker, ...rest] = segments.slice(isModel ? 2 : 1);
  if (marker !== 'artifacts') {
    throw invalidParameter(
      'Invalid path: artifacts are under <experiment id>/<run id>/artifacts and <experiment id>/models/<model id>/artifacts.',
    );
  }
  const owner = isModel ? { loggedModelId: loggedModelIdOf(name) } : { runId: runIdOf(name) };
  const experiment = await findExperiment(session, services, segments[0] ?? '');
  if (experiment.id !== (await experimentOf(session, services, owner, name))) throw noOwner(owner, name);
  // Once more, for what is only a trap at the begin.
  return { owner, path: safePath(rest.join('/')) };
}

/** Where clients find the artifacts of a run or a logged model. */
export async function rootOf(session: Session, services: Services, owner: FolderOwner): Promise<string> {
  const name = 'runId' in owner ? toHexId(owner.runId) : toModelId(owner.loggedModelId);
  const experiment = await services.experiments.get(session, await experimentOf(session, services, owner, name));
  return `${artifactRoot(experiment)}/${'runId' in owner ? '' : 'models/'}${name}/artifacts`;
}

const noOwner = (owner: FolderOwner, name: string) => ('runId' in owner ? noRun(name) : noLoggedModel(name));

const experimentOf = (session: Session, services: Services, owner: FolderOwner, name: string) =>
  services.artifactFolders.experimentOf(session, owner).catch(whenAbsent(() => noOwner(owner, name)));

/** A place that a file can have. */
export async function findFilePlace(session: Session, services: Services, text: string): Promise<Place> {
  const place = await findPlace(session, services, text);
  if (place.path === '') throw invalidParameter('Invalid path');
  return place;
}
