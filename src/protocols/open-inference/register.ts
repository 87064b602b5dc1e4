import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { callerOf, type Need } from '../caller.js';
import { answerErrors, withoutInputPrefix } from '../errors.js';
import { answerInfer, type OpenInferenceParts } from './http-infer.js';
import { parseJson } from './http-request.js';
import { describedTarget, modelConfig, modelMetadata, SERVER, versionNumber } from './metadata.js';
import { CHANGE_MODELS, LIST_MODELS, READ_MODEL } from './needs.js';
import { objectAt } from './parameters.js';
import { openInferenceApi } from './openapi.js';
import { toIndexEntry, toStatistics, wantedVersions } from './repository.js';

interface ModelParams {
  model: string;
  version?: string;
}

/** The Open Inference Protocol (V2) over HTTP, at /v2. */
export function registerOpenInference(fastify: FastifyInstance, parts: OpenInferenceParts): void {
  const { db, services, tokens, config } = parts;
  const { modelRepository } = services;
  void fastify.register(
    async (scope) => {
      answerErrors(scope, parts, {
        document: '/v2/openapi.json',
        formOf: ({ message }) => ({ error: withoutInputPrefix(message) }),
      });
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

      scope.get('', async () => SERVER);
      const description = openInferenceApi();
      scope.get('/openapi.json', async () => description);
      scope.get('/health/live', async () => ({ live: true }));
      scope.get('/health/ready', async (_request, reply) => {
        const missing = await parts.notReady();
        if (missing.length === 0) return { ready: true };
        return reply.code(503).send({ error: `This service is not ready: ${missing.join(', ')}.` });
      });

      const actorOf = async ({ headers, id: requestId, raw }: FastifyRequest, need: Need) => ({
        principal: await callerOf(tokens, headers.authorization, need),
        requestId,
        isGone: () => raw.socket.destroyed,
      });
      scope.get('/models/stats', async (request) => {
        const actor = await actorOf(request, LIST_MODELS);
        const found = await db.transact(actor, (session) => modelRepository.statistics(session, null, null));
        return { model_stats: found.map(toStatistics) };
      });
      scope.post('/repository/index', async (request) => {
        const actor = await actorOf(request, LIST_MODELS);
        const { ready } = readObject(request.body);
        const entries = await db.transact(actor, (session) => modelRepository.index(session));
        return entries.filter(({ state }) => ready !== true || state === 'READY').map(toIndexEntry);
      });
      scope.post('/repository/models/:model/load', async (request, reply) => {
        const actor = await actorOf(request, CHANGE_MODELS);
        const parameters = objectAt('parameters', readObject(request.body)['parameters']);
        await modelRepository.load(actor, (request.params as ModelParams).model, wantedVersions(parameters));
        return reply.send();
      });
      scope.post('/repository/models/:model/unload', async (request, reply) => {
        const actor = await actorOf(request, CHANGE_MODELS);
        const versions = wantedVersions(objectAt('parameters', readObject(request.body)['parameters']));
        const { model } = request.params as ModelParams;
        await db.transact(actor, (session) => modelRepository.unload(session, model, versions));
        return reply.send();
      });

      const routeOf = async ({ headers, params }: FastifyRequest) => {
        const principal = await callerOf(tokens, headers.authorization, READ_MODEL);
        const { model, version } = params as ModelParams;
        return { route: await services.predictions.describe(principal, model), version: versionNumber(version) };
      };
      for (const path of ['/models/:model', '/models/:model/versions/:version']) {
        scope.get(path, async (request) => {
          const { route, version } = await routeOf(request);
          return modelMetadata(route, version);
        });
        scope.get(`${path}/config`, async (request) => {
          const { route, version } = await routeOf(request);
          return modelConfig(route, version);
        });
        scope.get(`${path}/ready`, async (request) => {
          const { route, version } = await routeOf(request);
          describedTarget(route, version);
          return { name: route.endpoint.name, ready: true };
        });
        scope.get(`${path}/stats`, async (request) => {
          const { model, version } = request.params as ModelParams;
          const actor = await actorOf(request, READ_MODEL);
          const found = await db.transact(actor, (session) =>
            modelRepository.statistics(session, model, versionNumber(version)),
          );
          return { model_stats: found.map(toStatistics) };
        });
        scope.post(`${path}/infer`, { bodyLimit: config.MAX_INFERENCE_BYTES }, (request, reply) =>
          inferByFastify(parts, request, reply),
        );
      }
    },
    { prefix: '/v2' },
  );
}

async function inferByFastify(
  parts: OpenInferenceParts,
  { headers, params, body, id }: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { model: endpointName, version: versionText } = params as ModelParams;
  const sent = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  const answered = await answerInfer(parts, { endpointName, versionText, headers, body: sent, id });
  return reply.headers(answered.headers).send(answered.body);
}

/** The JSON of a request that may come without a body. */
function readObject(body: unknown): Readonly<Record<string, unknown>> {
  return Buffer.isBuffer(body) && body.length > 0 ? objectAt('body', parseJson(body)) : {};
}
