import type { FastifyInstance } from 'fastify';
import type { TokenVerifier } from '../adapters/auth/token-verifier.js';
import type { Database } from '../db/database.js';
import { UUID } from '../domain/platform/ids.js';
import { bearerOf } from '../domain/platform/principal.js';
import { badInput, unauthenticated } from '../errors.js';
import type { ArtifactService } from '../services/tracking/artifact.service.js';
import { rangeOf, sendFile } from './range.js';

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
    reply.header('etag', `"${artifact.sha256}"`);
    const fileName = artifact.path.split('/').at(-1) ?? 'artifact';
    return sendFile(reply, { ...artifact, fileName }, rangeOf(request.headers.range, artifact.sizeBytes), (range) =>
      services.artifacts.read(artifact, range),
    );
  });
}
