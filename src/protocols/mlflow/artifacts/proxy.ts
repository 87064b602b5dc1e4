import { posix } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Session } from '../../../db/database.js';
import { Role } from '../../../modules/core/index.js';
import type { ArtifactAddress } from '../../../modules/artifacts/index.js';
import { detachedBody } from '../../body.js';
import { rangeOf, sendFile } from '../../range.js';
import { jsonEndpoint, streamEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { doesNotExist, invalidParameter, refusedState, whenAbsent } from '../errors.js';
import { optionalString } from '../protobuf-json.js';
import { dispositionOf, mimeTypeOf } from './file-headers.js';
import { findFileAddress, findAddress, parseProxyPath, ofFile, rootOf, whenNoOwner } from './address.js';
import { toFileInfos } from './views.js';

const ROOT = '/mlflow-artifacts';
/** Long enough for the largest file. */
const DOWNLOAD_SECONDS = 60 * 60;
const PATH = '*';
const rest = z.object({ [PATH]: z.string() });

/** The part of the URL that names the file. */
const pathOf = (request: FastifyRequest) => (request.params as Record<string, string>)[PATH] ?? '';

export const proxyEndpoints: Endpoint[] = [
  streamEndpoint(['GET'], `${ROOT}/artifacts/*`, Role.VIEWER, async (call, request, reply) => {
    return download(call, (session) => findFileAddress(session, call.services, pathOf(request)), request, reply);
  }),
  streamEndpoint(['PUT'], `${ROOT}/artifacts/*`, Role.ENGINEER, async (call, request, reply) => {
    const address = ofFile(parseProxyPath(call.services, pathOf(request)));
    const announced = request.headers['content-length'];
    const sizeBytes = announced === undefined ? undefined : Number(announced);
    await call.services.artifactFolders
      .put(call, address, detachedBody(request.raw), sizeBytes)
      .catch(whenNoOwner(address.owner))
      .catch(refusedState);
    return reply.send();
  }),
  jsonEndpoint(['DELETE'], `${ROOT}/artifacts/*`, Role.ENGINEER, rest, async (call, { [PATH]: text }) => {
    await call.run(async (session) => {
      const { owner, path } = await findAddress(session, call.services, text);
      await call.services.artifactFolders.delete(session, owner, path).catch(refusedState);
    });
    return {};
  }),
  jsonEndpoint(
    ['GET'],
    `${ROOT}/artifacts`,
    Role.VIEWER,
    z.object({ path: optionalString }),
    async (call, { path: text }) =>
      call.run(async (session) => {
        const { owner, path } = await findAddress(session, call.services, text ?? '');
        return toFileInfos(await call.services.artifactFolders.list(session, owner, path));
      }),
  ),
  jsonEndpoint(['GET'], `${ROOT}/presigned/*`, Role.VIEWER, rest, async (call, { [PATH]: text }) => {
    const { url, sizeBytes } = await call.run(async (session) => {
      const { owner, path } = await findFileAddress(session, call.services, text);
      return call.services.artifactFolders
        .downloadUrl(session, owner, path, DOWNLOAD_SECONDS)
        .catch(whenAbsent(() => doesNotExist(`No such artifact: '${text}'`)));
    });
    return { url: new URL(url, call.origin).href, headers: {}, file_size: sizeBytes };
  }),
];

/** Sends a file of a run or a logged model. A Range header with one range works. */
export async function download(
  call: Call,
  address: (session: Session) => Promise<ArtifactAddress>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const artifact = await call.run(async (session) => {
    const { owner, path } = await address(session);
    const found = path === '' ? null : await call.services.artifactFolders.find(session, owner, path);
    if (found) return found;
    const shown = `${(await rootOf(session, call.services, owner)).replace(/^mlflow-artifacts:\//, '')}/${path}`;
    const isFolder = path === '' || (await call.services.artifactFolders.list(session, owner, path)).length > 0;
    throw isFolder
      ? invalidParameter(`Artifact path refers to a directory, not a file: '${shown}'`)
      : doesNotExist(`No such artifact: '${shown}'`);
  });
  reply.header('etag', `"${artifact.sha256}"`);
  const fileName = posix.basename(artifact.path);
  const file = {
    fileName,
    contentType: mimeTypeOf(fileName),
    disposition: dispositionOf(fileName),
    sizeBytes: artifact.sizeBytes,
  };
  return sendFile(reply, file, rangeOf(request.headers.range, artifact.sizeBytes), (range) =>
    call.services.artifacts.read(artifact, range),
  );
}
