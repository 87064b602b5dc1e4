import { posix } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Role } from '../../../domain/platform/principal.js';
import { detachedBody } from '../../body.js';
import { rangeOf, sendFile } from '../../range.js';
import { jsonEndpoint, streamEndpoint, type Call, type Endpoint } from '../endpoint.js';
import { doesNotExist, invalidParameter, refusedState, whenAbsent } from '../errors.js';
import { optionalString } from '../protobuf-json.js';
import { findFilePlace, findPlace, rootOf, type Place } from './place.js';
import { toFileInfos } from './views.js';

const ROOT = '/mlflow-artifacts';
/** Long enough for the largest file. */
const DOWNLOAD_SECONDS = 60 * 60;
const PATH = '*';
const rest = z.object({ [PATH]: z.string() });

/** The part of the address that names the file. */
const pathOf = (request: FastifyRequest) => (request.params as Record<string, string>)[PATH] ?? '';

export const proxyEndpoints: Endpoint[] = [
  streamEndpoint(['GET'], `${ROOT}/artifacts/*`, Role.VIEWER, async (call, request, reply) => {
    const place = await call.run((session) => findFilePlace(session, call.services, pathOf(request)));
    return download(call, place, request, reply);
  }),
  streamEndpoint(['PUT'], `${ROOT}/artifacts/*`, Role.ENGINEER, async (call, request, reply) => {
    const { owner, path } = await call.run((session) => findFilePlace(session, call.services, pathOf(request)));
    await call.services.artifactFolders.put(call, owner, path, detachedBody(request.raw)).catch(refusedState);
    return reply.send();
  }),
  jsonEndpoint(['DELETE'], `${ROOT}/artifacts/*`, Role.ENGINEER, rest, async (call, { [PATH]: text }) => {
    await call.run(async (session) => {
      const { owner, path } = await findPlace(session, call.services, text);
      await call.services.artifactFolders.delete(session, owner, path).catch(refusedState);
    });
    return {};
  }),
  jsonEndpoint(['GET'], `${ROOT}/artifacts`, Role.VIEWER, z.object({ path: optionalString }), async (call, { path: text }) =>
    call.run(async (session) => {
      const { owner, path } = await findPlace(session, call.services, text ?? '');
      return toFileInfos(await call.services.artifactFolders.list(session, owner, path));
    }),
  ),
  jsonEndpoint(['GET'], `${ROOT}/presigned/*`, Role.VIEWER, rest, async (call, { [PATH]: text }) => {
    const place = await call.run((session) => findFilePlace(session, call.services, text));
    const { url, sizeBytes } = await call
      .run((session) => call.services.artifactFolders.downloadUrl(session, place.owner, place.path, DOWNLOAD_SECONDS))
      .catch(whenAbsent(() => doesNotExist(`No such artifact: '${text}'`)));
    return { url: new URL(url, call.origin).href, headers: {}, file_size: sizeBytes };
  }),
];

/** Sends a file of a run or logged model; a single Range is heeded. */
export async function download(call: Call, { owner, path }: Place, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const artifact = path === '' ? null : await call.run((session) => call.services.artifactFolders.find(session, owner, path));
  if (!artifact) {
    const { root, isFolder } = await call.run(async (session) => ({
      root: await rootOf(session, call.services, owner),
      isFolder: path === '' || (await call.services.artifactFolders.list(session, owner, path)).length > 0,
    }));
    const shown = `${root.replace(/^mlflow-artifacts:\//, '')}/${path}`;
    throw isFolder
      ? invalidParameter(`Artifact path refers to a directory, not a file: '${shown}'`)
      : doesNotExist(`No such artifact: '${shown}'`);
  }
  reply.header('etag', `"${artifact.sha256}"`);
  return sendFile(reply, { ...artifact, fileName: posix.basename(path) }, rangeOf(request.headers.range, artifact.sizeBytes), (range) =>
    call.services.artifacts.read(artifact, range),
  );
}
