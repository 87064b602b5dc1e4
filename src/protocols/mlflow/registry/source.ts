import { freeArtifactPath } from '../../../modules/core/index.js';
import type { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../../db/database.js';
import { AppError } from '../../../errors.js';
import { newestOfStages, type LoggedSource } from '../../../modules/registry/index.js';
import type { ArtifactAddress } from '../../../modules/artifacts/index.js';
import { findAddress, safePath } from '../artifacts/address.js';
import type { Call } from '../endpoint.js';
import { doesNotExist, invalidParameter, MlflowError, whenAbsent } from '../errors.js';
import { namesHost } from '../foreign-host.js';
import { loggedModelIdOf, noLoggedModel, noRun, runIdOf } from '../ids.js';
import { findModel, findVersion } from './lookup.js';
import { fromStage, sourceOf } from './views.js';

/** The place of a new version's files, as a client names it; ids that it did not name are null. */
export interface NamedSource {
  source: string;
  run_id?: string | null;
  model_id?: string | null;
}

const PROXY = 'mlflow-artifacts';
const PROXY_ROUTE = '/api/2.0/mlflow-artifacts/artifacts/';

const notIn = (source: string, parameter: 'run_id' | 'model_id') =>
  invalidParameter(
    `Invalid model version source: '${source}'. The ${parameter} request parameter must identify the ` +
      'resource that contains the source.',
  );

/**
 * Checks the source by MLflow's rules: files behind the proxy must belong to the named run or logged model, and local
 * paths are refused.
 */
export async function resolveSource(session: Session, call: Call, named: NamedSource): Promise<LoggedSource> {
  const { source } = named;
  checkSource(source);
  const scheme = schemeOf(source);
  if (scheme === 'models' && !source.startsWith('models:/m-')) return copySource(session, call, named);
  const runId = named.run_id ? runIdOf(named.run_id) : null;
  const loggedModelId = named.model_id ? loggedModelIdOf(named.model_id) : null;
  const parameter = source.startsWith('models:') || loggedModelId !== null ? 'model_id' : 'run_id';
  const address = await addressOf(session, call, source).catch(noSuchAddress(source, parameter));
  await requireRun(session, call, named.run_id, runId).catch(address ? noSuchAddress(source, parameter) : rethrow);
  const model = loggedModelId === null ? null : await loggedModel(session, call, named.model_id!, loggedModelId);
  const ids = { runId: runId ?? model?.runId ?? null, loggedModelId };
  if (address) {
    const isNamed =
      'loggedModelId' in address.owner
        ? address.owner.loggedModelId === loggedModelId
        : loggedModelId === null && address.owner.runId === runId;
    if (!isNamed)
      throw notIn(source, 'loggedModelId' in address.owner || loggedModelId !== null ? 'model_id' : 'run_id');
  }
  return { uri: source, ...ids, folder: address && { owner: address.owner, path: address.path } };
}

const rethrow = (error: unknown): never => {
  throw error;
};

/** A source that is no address of the proxy, or has no owner, does not belong to the run or model in the parameter. */
const noSuchAddress = (source: string, parameter: 'run_id' | 'model_id') => (error: unknown) => {
  throw error instanceof MlflowError || error instanceof AppError ? notIn(source, parameter) : error;
};

/** The address of a version's files, when they are stored here. */
export async function addressOf(session: Session, call: Call, uri: string): Promise<ArtifactAddress | null> {
  switch (schemeOf(uri)) {
    case 'models': {
      const id = /^models:\/(m-[^/]+)\/?$/.exec(uri)?.[1];
      return id === undefined ? null : { owner: { loggedModelId: loggedModelIdOf(id) }, path: '' };
    }
    case 'runs': {
      const [, id, path] = /^runs:\/([^/]+)\/(.+)$/.exec(uri) ?? [];
      if (id === undefined || path === undefined) throw notIn(uri, 'run_id');
      return { owner: { runId: runIdOf(id) }, path: safePath(path) };
    }
    case PROXY:
      return findAddress(session, call.services, uri.replace(/^mlflow-artifacts:(\/\/[^/]*)?\/+/, ''));
    case 'http':
    case 'https': {
      const at = uri.indexOf(PROXY_ROUTE);
      return at < 0 ? null : findAddress(session, call.services, uri.slice(at + PROXY_ROUTE.length));
    }
    default:
      return null;
  }
}

/** A version of another model, or of the same one: its files, and their source. */
async function copySource(
  session: Session,
  call: Call,
  { source, run_id: runId, model_id: modelId }: NamedSource,
): Promise<LoggedSource> {
  const version = await findByUri(session, call, source);
  const uri = sourceOf(version);
  const { loggedModelId } = version;
  const differs = (named: string | null | undefined, id: string | null | undefined, read: (text: string) => string) =>
    named != null && (named === '' ? null : read(named)) !== (id ?? null);
  if (differs(runId, version.runId, runIdOf) || differs(modelId, loggedModelId, loggedModelIdOf)) {
    throw invalidParameter(
      `Invalid model version source: '${source}'. The run_id and model_id request parameters must match the ` +
        'source model version.',
    );
  }
  const address = version.sourceUri ? await addressOf(session, call, version.sourceUri) : null;
  return { uri, runId: version.runId, loggedModelId, folder: address, copyOf: version };
}

/** Null when its escapes are not valid text. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** `models:/<name>/<version, stage or latest>` or `models:/<name>@<alias>`. */
async function findByUri(session: Session, call: Call, uri: string): Promise<ModelVersion> {
  const [, name = '', alias, which] = /^models:\/([^/@]+)(?:@([^/]+)|\/([^/]+))$/.exec(uri) ?? [];
  if (name === '') throw notIn(uri, 'model_id');
  const model = await findModel(session, decoded(name) ?? name);
  if (alias !== undefined) {
    const present = await call.services.aliases.find(session, model.id, alias);
    if (!present) throw invalidParameter(`Registered model alias ${alias} not found.`);
    return call.services.modelVersions.get(session, present.modelVersionId);
  }
  if (/^\d+$/.test(which ?? ''))
    return (await findVersion(session, { name: model.name, version: which ?? '' })).version;
  const newest = await newestOfStages(session, [model.id]);
  const found =
    which?.toLowerCase() === 'latest' ? newest.at(-1) : newest.find(({ stage }) => stage === fromStage(which ?? ''));
  if (!found) throw doesNotExist(`No versions of model with name '${model.name}' and stage '${which}' found`);
  return found;
}

async function requireRun(
  session: Session,
  { services }: Call,
  text: string | null | undefined,
  id: string | null,
): Promise<void> {
  if (id === null) return;
  await services.runs.get(session, id).catch(whenAbsent(() => noRun(text ?? '')));
}

async function loggedModel(
  session: Session,
  { services }: Call,
  text: string,
  id: string,
): Promise<{ runId?: string | null }> {
  return services.loggedModels.get(session, id).catch(whenAbsent(() => noLoggedModel(text)));
}

const schemeOf = (uri: string) => /^([a-z][a-z0-9+.-]+):/i.exec(uri)?.[1]?.toLowerCase() ?? '';

/** Refuses local paths and paths that lead elsewhere, also when they are encoded several times. */
function checkSource(source: string): void {
  const scheme = schemeOf(source);
  if (scheme === '' || scheme === 'file') {
    throw invalidParameter(
      `Invalid model version source: '${source}'. To use a local path as a model version source, the run_id ` +
        'request parameter has to be specified and the local path has to be contained within the artifact ' +
        'directory of the run specified by the run_id.',
    );
  }
  if (namesHost(source)) {
    throw invalidParameter(
      `Invalid model version source: '${source}'. Clients would send their token to its host. Files behind ` +
        'this service are at mlflow-artifacts:/<path>.',
    );
  }
  const path = freeArtifactPath(source.replace(/^[a-z][a-z0-9+.-]+:\/*/i, '').replace(/[?#].*$/s, ''));
  if (path === null) {
    throw invalidParameter(
      `Invalid model version source: '${source}'. If supplying a source as an http, https, local file path, ` +
        'ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path ' +
        'references present. Please provide an absolute path.',
    );
  }
  if (path === '') throw invalidParameter(`Invalid model version source: '${source}'.`);
}
