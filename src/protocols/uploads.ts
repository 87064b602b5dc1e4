import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { TokenVerifier } from '../adapters/auth/token-verifier.js';
import { bearerOf, includesRole, Role } from '../domain/platform/principal.js';
import { AppError, badInput, ErrorCode, unauthenticated } from '../errors.js';
import type { UploadService } from '../services/tracking/upload.service.js';

export interface UploadRoute {
  tokens: TokenVerifier;
  services: { uploads: UploadService };
}

/** A client that is refused in mid-upload may still send for so long. */
const LINGER_MS = 5_000;

/** POST /uploads?fileName=… with the file as the body, streamed; answers {uploadId, fileName, sizeBytes, sha256} for a mutation to use. */
export function registerUploads(fastify: FastifyInstance, { tokens, services }: UploadRoute): void {
  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The body is handed on as the stream that it is.
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, detached(payload)));
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

/** The content apart from its connection, over which the answer goes when the content is refused. */
function detached(request: IncomingMessage): Readable {
  const body = new PassThrough();
  // Nobody reads it when the request is refused before.
  body.on('error', () => undefined);
  request.once('close', () => {
    if (!request.complete) body.destroy(badInput('body', 'the whole file', 'a connection that ended before it'));
  });
  return request.pipe(body);
}

/** What a refused client still sends is read and thrown away, so that it sees its answer and the connection comes to an end. */
function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS);
  request.once('close', () => clearTimeout(timer));
  request.unpipe().resume();
}
