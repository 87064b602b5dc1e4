import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const METHODS = 'GET, POST, PUT';

/** Lets pages of `origins` call (CORS). A request that comes from no page pays for one header. */
export function allowOrigins(fastify: FastifyInstance, origins: readonly string[]): void {
  const isAny = origins.includes('*');
  fastify.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers;
    if (isAny) reply.header('access-control-allow-origin', '*');
    else {
      reply.header('vary', 'Origin');
      if (origin !== undefined && origins.includes(origin)) reply.header('access-control-allow-origin', origin);
    }
    // A preflight has no token: it is answered before one is asked for.
    if (request.method === 'OPTIONS') answerPreflight(request, reply);
    else done();
  });
  // The hook has answered; without a route there would be none.
  fastify.options('*', () => undefined);
}

function answerPreflight({ headers }: FastifyRequest, reply: FastifyReply): void {
  const { origin, 'access-control-request-method': method, 'access-control-request-headers': asked } = headers;
  if (origin === undefined || method === undefined) {
    void reply.code(400).type('text/plain').send('Not a preflight: Origin or Access-Control-Request-Method is missing.');
    return;
  }
  reply.code(204).header('access-control-allow-methods', METHODS).header('vary', 'Origin, Access-Control-Request-Headers');
  if (asked !== undefined) reply.header('access-control-allow-headers', asked);
  void reply.send();
}
