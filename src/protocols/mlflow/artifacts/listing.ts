import { z } from 'zod';
import type { Session } from '../../../db/database.js';
import { Role } from '../../../domain/platform/principal.js';
import { toHexId } from '../../../domain/tracking/run-tags.js';
import { AppError, ErrorCode } from '../../../errors.js';
import type { FolderOwner } from '../../../services/tracking/artifact-folder.service.js';
import { jsonEndpoint, streamEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { doesNotExist, invalidParameter } from '../errors.js';
import { loggedModelIdOf, runIdOf, toModelId } from '../ids.js';
import { optionalString, requiredString, string } from '../protobuf-json.js';
import { queryOf } from '../query.js';
import { artifactRoot } from '../tracking/views.js';
import { safePath } from './place.js';
import { download } from './proxy.js';
import { toFileInfos } from './views.js';

export const listingEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['GET'],
    '/mlflow/artifacts/list',
    Role.VIEWER,
    z.object({ run_id: string, run_uuid: string, path: optionalString }),
    (call, { run_id: id, run_uuid: old, path }) => list(call, runOwner(id || old), path),
  ),
  jsonEndpoint(
    ['GET'],
    '/mlflow/logged-models/:model_id/artifacts/directories',
    Role.VIEWER,
    z.object({ model_id: requiredString, artifact_directory_path: optionalString }),
    (call, { model_id: id, artifact_directory_path: path }) => list(call, { loggedModelId: loggedModelIdOf(id) }, path),
  ),
  streamEndpoint(
    ['GET'],
    '/get-artifact',
    Role.VIEWER,
    (call, request, reply) => {
      const { run_id: id, run_uuid: old, path } = queryOf(request);
      return download(call, { owner: runOwner(id ?? old ?? ''), path: filePath(path) }, request, reply);
    },
    'ROOT',
  ),
  streamEndpoint(['GET'], '/mlflow/logged-models/:model_id/artifacts/files', Role.VIEWER, (call, request, reply) => {
    const { model_id: id = '' } = request.params as Record<string, string>;
    const path = filePath(queryOf(request)['artifact_file_path']);
    return download(call, { owner: { loggedModelId: loggedModelIdOf(id) }, path }, request, reply);
  }),
];

function runOwner(id: string): FolderOwner {
  if (id === '') throw invalidParameter("Missing value for required parameter 'run_id'.");
  return { runId: runIdOf(id) };
}

function filePath(text: string | undefined): string {
  const path = safePath(text ?? '');
  if (path === '') throw invalidParameter("Missing value for required parameter 'path'.");
  return path;
}

async function list(call: Call, owner: FolderOwner, text: string | null | undefined): Promise<object> {
  const path = safePath(text ?? '');
  return call.run(async (session) => {
    const root = await rootOf(session, call, owner);
    return { root_uri: root, ...toFileInfos(await call.services.artifactFolders.list(session, owner, path), path) };
  });
}

async function rootOf(session: Session, { services }: Call, owner: FolderOwner): Promise<string> {
  const name = 'runId' in owner ? toHexId(owner.runId) : toModelId(owner.loggedModelId);
  try {
    const experiment = await services.experiments.get(session, await services.artifactFolders.experimentOf(session, owner));
    return `${artifactRoot(experiment)}/${'runId' in owner ? '' : 'models/'}${name}/artifacts`;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== ErrorCode.NOT_FOUND) throw error;
    throw doesNotExist('runId' in owner ? `Run with id=${name} not found` : `Logged model with ID '${name}' not found.`);
  }
}
