import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { bearerOf } from '../modules/core/index.js';
import { badInput } from '../errors.js';
import type { OutsideReports } from '../modules/training/index.js';
import { detachedBody, discardRest } from './body.js';
import { rangeOf, sendFile } from './range.js';

export interface WorkFileRoutes {
  services: { outsideReports: OutsideReports };
}

interface FileParams {
  id: string;
  name: string;
}

const PATH = '/v1/jobs/:id/files/:name';

/** GET and PUT of the files of a training that runs outside, with the token of the attempt that started it. */
export function registerWorkFiles(fastify: FastifyInstance, { services: { outsideReports } }: WorkFileRoutes): void {
  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The body stays a stream.
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, detachedBody(payload)));
    scope.addHook('onError', async (request) => discardRest(request.raw));
    scope.get(PATH, { exposeHeadRoute: false }, async (request, reply) => {
      const { id, name } = request.params as FileParams;
      const { sizeBytes, read } = await outsideReports.open(bearerOf(request.headers.authorization), id, name);
      const file = { sizeBytes, fileName: name, contentType: 'application/octet-stream' };
      return sendFile(reply, file, rangeOf(request.headers.range, sizeBytes), read);
    });
    scope.put(PATH, { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request) => {
      const { id, name } = request.params as FileParams;
      if (!request.body) throw badInput('body', 'the file as the request body, with a content-type header', 'nothing');
      return outsideReports.store(bearerOf(request.headers.authorization), id, name, request.body as Readable);
    });
  });
}
