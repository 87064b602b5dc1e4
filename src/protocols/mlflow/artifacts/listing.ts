import { z } from 'zod';
import { Role } from '../../../modules/core/index.js';
import type { FolderOwner } from '../../../modules/artifacts/index.js';
import { jsonEndpoint, streamEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { MlflowError } from '../errors.js';
import { loggedModelIdOf, runIdOf } from '../ids.js';
import { missing, optionalString, requiredString } from '../protobuf-json.js';
import { queryOf } from '../query.js';
import { ofRun, runOf } from '../experiments/runs.js';
import { rootOf, safePath } from './address.js';
import { download } from './proxy.js';
import { toFileInfos } from './views.js';

export const listingEndpoints: Endpoint[] = [
  jsonEndpoint(
    ['GET'],
    '/mlflow/artifacts/list',
    Role.VIEWER,
    z.object({ ...ofRun, path: optionalString }),
    (call, { path, ...input }) => list(call, runOwner(input), path),
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
      const { path, ...input } = queryOf(request);
      const owner = runOwner(input);
      if (path === undefined) throw missing('path');
      return download(call, async () => ({ owner, path: safePath(path) }), request, reply);
    },
    'ROOT',
  ),
  streamEndpoint(['GET'], '/mlflow/logged-models/:model_id/artifacts/files', Role.VIEWER, (call, request, reply) => {
    const { model_id: id = '' } = request.params as Record<string, string>;
    const { artifact_file_path: path } = queryOf(request);
    if (path === undefined)
      throw new MlflowError('BAD_REQUEST', 'Request must include the "artifact_file_path" query parameter.');
    const address = { owner: { loggedModelId: loggedModelIdOf(id) }, path: safePath(path) };
    return download(call, async () => address, request, reply);
  }),
];

const runOwner = (input: Parameters<typeof runOf>[0]): FolderOwner => ({ runId: runIdOf(runOf(input)) });

async function list(call: Call, owner: FolderOwner, text: string | null | undefined): Promise<object> {
  const path = safePath(text ?? '');
  return call.run(async (session) => {
    const root = await rootOf(session, call.services, owner);
    return { root_uri: root, ...toFileInfos(await call.services.artifactFolders.list(session, owner, path), path) };
  });
}
