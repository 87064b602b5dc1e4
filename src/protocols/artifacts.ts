import type { FastifyInstance } from 'fastify';
import type { TokenVerifier } from '../adapters/auth/token-verifier.js';
import type { ByteRange } from '../adapters/object-store/port.js';
import type { Database } from '../db/database.js';
import { UUID } from '../domain/platform/ids.js';
import { bearerOf } from '../domain/platform/principal.js';
import { badInput, unauthenticated } from '../errors.js';
import type { ArtifactService } from '../services/tracking/artifact.service.js';

export interface ArtifactRoute {
  tokens: TokenVerifier;
  db: Database;
  services: { artifacts: ArtifactService };
}

/** GET /artifacts/:id streams the content of an artifact of the caller's tenant; a single Range is heeded. */
export function registerArtifacts(fastify: FastifyInstance, { tokens, db, services }: ArtifactRoute): void {
  fastify.get('/artifacts/:id', { exposeHeadRoute: false }, async (request, reply) => {
    const token = bearerOf(request.headers.authorization);
    if (!token) throw unauthenticated();
    const principal = await tokens.verify(token);
    const { id } = request.params as { id: string };
    if (!UUID.test(id)) throw badInput('id', 'an id as this API gives them (a UUID)', id);
    const artifact = await db.transact({ principal, requestId: request.id }, (session) => services.artifacts.get(session, id));
    const range = rangeOf(request.headers.range, artifact.sizeBytes);
    reply.headers({
      'content-type': artifact.contentType,
      'content-disposition': attachment(artifact.path.split('/').at(-1) ?? 'artifact'),
      'accept-ranges': 'bytes',
      etag: `"${artifact.sha256}"`,
      'cache-control': 'private, no-cache',
      // A stored file is never a page of this service.
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
    });
    if (range === 'UNSATISFIABLE') {
      return reply
        .code(416)
        .header('content-range', `bytes */${artifact.sizeBytes}`)
        .type('application/json')
        .send({ error: { code: 'BAD_USER_INPUT', message: `Range: the file has ${artifact.sizeBytes} bytes.` } });
    }
    const content = await services.artifacts.read(artifact, range);
    if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${artifact.sizeBytes}`);
    reply.header('content-length', range ? range.end - range.start + 1 : artifact.sizeBytes);
    return reply.send(content);
  });
}

/** One range of bytes; several, or another unit, are ignored as RFC 9110 allows. */
function rangeOf(header: string | undefined, sizeBytes: number): ByteRange | 'UNSATISFIABLE' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  const [, from = '', to = ''] = match ?? [];
  if (!match || (from === '' && to === '')) return undefined;
  const start = from === '' ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (from !== '' && to !== '' && Number(from) > Number(to)) return undefined;
  return start > end ? 'UNSATISFIABLE' : { start, end };
}

/** Names reach the header only in the forms of RFC 6266, so that none can end it or begin another. */
function attachment(fileName: string): string {
  const plain = fileName.replace(/[^A-Za-z0-9._-]/g, '_');
  return `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(fileName)}`;
}
