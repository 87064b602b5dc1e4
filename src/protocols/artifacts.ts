import type { FastifyInstance } from 'fastify';
import type { TokenVerifier } from '../adapters/auth/port.js';
import type { Database } from '../db/database.js';
import { UUID, Role, requireRun } from '../modules/core/index.js';
import { badInput } from '../errors.js';
import type { ArtifactService } from '../modules/artifacts/index.js';
import { callerOf, type Need } from './caller.js';
import { rangeOf, sendFile } from './range.js';

export interface ArtifactRoute {
  tokens: TokenVerifier;
  db: Database;
  services: { artifacts: ArtifactService };
}

const NEED: Need = { what: 'Downloading', role: Role.VIEWER, scopes: ['READ', 'WRITE_RUN'] };

/**
 * GET /artifacts/:id streams the content of an artifact of the caller's tenant. A Range header with one range works.
 */
export function registerArtifacts(fastify: FastifyInstance, { tokens, db, services }: ArtifactRoute): void {
  fastify.get('/artifacts/:id', { exposeHeadRoute: false }, async (request, reply) => {
    const principal = await callerOf(tokens, request.headers.authorization, NEED);
    const { id } = request.params as { id: string };
    if (!UUID.test(id)) throw badInput('id', 'an id as this API gives them (a UUID)', id);
    const artifact = await db.transact({ principal, requestId: request.id }, (session) =>
      services.artifacts.get(session, id),
    );
    requireRun(principal.scope, 'This artifact', artifact.runId);
    reply.header('etag', `"${artifact.sha256}"`);
    const fileName = artifact.path.split('/').at(-1) ?? 'artifact';
    return sendFile(reply, { ...artifact, fileName }, rangeOf(request.headers.range, artifact.sizeBytes), (range) =>
      services.artifacts.read(artifact, range),
    );
  });
}
