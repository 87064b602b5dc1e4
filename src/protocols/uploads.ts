import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { TokenVerifier } from '../adapters/auth/port.js';
import { Role } from '../modules/core/index.js';
import { badInput } from '../errors.js';
import type { UploadService } from '../modules/uploads/index.js';
import { detachedBody, discardRest } from './body.js';
import { callerOf, type Need } from './caller.js';

export interface UploadRoute {
  tokens: TokenVerifier;
  services: { uploads: UploadService };
}

/** An uploaded file has no effect until a mutation uses it. */
const NEED: Need = { what: 'Uploading', role: Role.ENGINEER, scopes: ['WRITE_RUN'] };

/**
 * POST /uploads?fileName=… with the file as the body, which is streamed. Answers {uploadId, fileName, sizeBytes,
 * sha256} for a mutation to use.
 */
export function registerUploads(fastify: FastifyInstance, { tokens, services }: UploadRoute): void {
  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The body stays a stream.
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, detachedBody(payload)));
    scope.addHook('onError', async (request) => discardRest(request.raw));
    scope.post('/uploads', { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request) => {
      const principal = await callerOf(tokens, request.headers.authorization, NEED);
      const { fileName } = request.query as { fileName?: unknown };
      if (typeof fileName !== 'string') throw badInput('fileName', 'a query parameter ?fileName=…', fileName);
      if (!request.body) throw badInput('body', 'the file as the request body, with a content-type header', 'nothing');
      const upload = await services.uploads.receive(
        { principal, requestId: request.id },
        fileName,
        request.body as Readable,
      );
      return { uploadId: upload.id, fileName: upload.fileName, sizeBytes: upload.sizeBytes, sha256: upload.sha256 };
    });
  });
}
