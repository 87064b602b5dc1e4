import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ObjectStore } from '../adapters/object-store/port.js';
import type { Config } from '../config.js';
import { detachedBody, discardRest } from './body.js';
import { rangeOf, sendFile } from './range.js';

export interface SignedObjectsRoute {
  objects: ObjectStore;
  config: Pick<Config, 'MAX_UPLOAD_BYTES'>;
}

/** PUT of an upload's part and GET of a file, at URLs that the folder store has signed. They need no token. */
export function registerSignedObjects(fastify: FastifyInstance, { objects, config }: SignedObjectsRoute): void {
  const { signedRequests } = objects;
  if (!signedRequests) return;
  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    scope.addHook('onError', async (request) => discardRest(request.raw));
    scope.put(`${signedRequests.prefix}*`, { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request, reply) => {
      const signed = signedRequests.verify('PUT', urlOf(request));
      const etag = await signedRequests.putPart(signed, detachedBody(request.raw), config.MAX_UPLOAD_BYTES);
      return reply.header('etag', `"${etag}"`).send();
    });
    scope.get(`${signedRequests.prefix}*`, { exposeHeadRoute: false }, async (request, reply) => {
      const { key } = signedRequests.verify('GET', urlOf(request));
      const sizeBytes = await objects.sizeBytes(key);
      const range = rangeOf(request.headers.range, sizeBytes);
      return sendFile(reply, { sizeBytes, fileName: 'file', contentType: 'application/octet-stream' }, range, (part) =>
        objects.get(key, part),
      );
    });
  });
}

/** The raw URL, because a signed URL must not be decoded twice. */
function urlOf({ raw }: FastifyRequest<{ Body: unknown }> & { raw: IncomingMessage }): URL {
  return new URL(raw.url ?? '', 'http://service');
}
