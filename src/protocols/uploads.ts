import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { TokenVerifier } from '../adapters/auth/token-verifier.js';
import { bearerOf, includesRole, Role } from '../domain/platform/principal.js';
import { AppError, badInput, ErrorCode, unauthenticated } from '../errors.js';
import type { UploadService } from '../services/tracking/upload.service.js';
import { detachedBody, discardRest } from './body.js';

export interface UploadRoute {
  tokens: TokenVerifier;
  services: { uploads: UploadService };
}

/** POST /uploads?fileName=… with the file as the body, streamed; answers {uploadId, fileName, sizeBytes, sha256} for a mutation to use. */
export function registerUploads(fastify: FastifyInstance, { tokens, services }: UploadRoute): void {
  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The body is handed on as the stream that it is.
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, detachedBody(payload)));
    scope.addHook('onError', async (request) => discardRest(request.raw));
    scope.post('/uploads', { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request) => {
      const token = bearerOf(request.headers.authorization);
      if (!token) throw unauthenticated();
      const principal = await tokens.verify(token);
      if (!includesRole(principal.role, Role.ENGINEER))
        throw new AppError(ErrorCode.FORBIDDEN, 'Uploading needs the role ENGINEER.', { expected: Role.ENGINEER, got: principal.role });
      const { fileName } = request.query as { fileName?: unknown };
      if (typeof fileName !== 'string') throw badInput('fileName', 'a query parameter ?fileName=…', fileName);
      if (!request.body) throw badInput('body', 'the file as the request body, with a content-type header', 'nothing');
      const upload = await services.uploads.receive({ principal, requestId: request.id }, fileName, request.body as Readable);
      return { uploadId: upload.id, fileName: upload.fileName, sizeBytes: upload.sizeBytes, sha256: upload.sha256 };
    });
  });
}
