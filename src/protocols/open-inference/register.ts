import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TokenVerifier } from '../../adapters/auth/port.js';
import type { Database } from '../../db/database.js';
import { AppError, badInput, ErrorCode, unauthenticated } from '../../errors.js';
import { bearerOf, type Principal, requireScope } from '../../modules/core/index.js';
import type { Services } from '../../services.js';
import { callerOf, type Need } from '../caller.js';
import { answerErrors, withoutInputPrefix, type ErrorParts } from '../errors.js';
import { answerCoding, codingOf, mostBytes, packed, unpacked } from './compression.js';
import { fromBody } from './elements.js';
import { toHttpAnswer } from './http-answer.js';
import { JSON_LENGTH_HEADER, jsonLength, parseJson, readInferBody, type InferBody } from './http-request.js';
import { infer } from './infer-call.js';
import { describedTarget, modelConfig, modelMetadata, SERVER, versionNumber } from './metadata.js';
import { CHANGE_MODELS, INFER, LIST_MODELS, READ_MODEL } from './needs.js';
import { objectAt, readParameters } from './parameters.js';
import { openInferenceApi } from './openapi.js';
import { toIndexEntry, toStatistics, wantedVersions } from './repository.js';

export interface OpenInferenceParts extends ErrorParts {
  tokens: TokenVerifier;
  db: Database;
  services: Services;
  config: { MAX_INFERENCE_BYTES: number };
  /** Gives room for bodies while they are unpacked. */
  unpacking: { take(tenant: string, bytes: number): Promise<(() => void) | null> };
  /** The names of the parts of this process that are not ready. */
  notReady(): Promise<string[]>;
}

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
          answerInfer(parts, request, reply),
        );
      }
    },
    { prefix: '/v2' },
  );
}

async function answerInfer(
  parts: OpenInferenceParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { headers, params } = request;
  const token = bearerOf(headers.authorization);
  if (!token) throw unauthenticated();
  const verified = parts.tokens.verify(token);
  const principal = verified instanceof Promise ? await verified : verified;
  requireScope(principal.scope, INFER.what, INFER.scopes);
  const { model: endpointName, version: versionText } = params as ModelParams;
  const version = versionNumber(versionText);
  const sent = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const coding = codingOf(headers['content-encoding']);
  let release: (() => void) | null = null;
  let read: InferBody;
  try {
    let body = sent;
    if (coding) {
      const maxBytes = parts.config.MAX_INFERENCE_BYTES;
      release = await parts.unpacking.take(principal.tenant, mostBytes(sent.length, maxBytes));
      if (!release) throw crowded();
      body = await unpacked(sent, coding, maxBytes);
    }
    const jsonBytes = jsonLength(headers[JSON_LENGTH_HEADER], body.length);
    read =
      jsonBytes === 0 ? await rawBody(parts, principal, endpointName, version, body) : readInferBody(body, jsonBytes);
  } finally {
    release?.();
  }
  const call = { ...read, endpointName, version };
  const answer = await infer(parts.services.predictions, principal, call, request.id, request.headers);
  const { body, jsonBytes } = toHttpAnswer(call, answer);
  if (jsonBytes === null) reply.type('application/json');
  else reply.type('application/octet-stream').header(JSON_LENGTH_HEADER, jsonBytes);
  const packing = answerCoding(headers['accept-encoding'], body.length);
  if (!packing) return reply.send(body);
  return reply
    .header('content-encoding', packing)
    .header('vary', 'accept-encoding')
    .send(await packed(body, packing));
}

/** A body that is the one input of the model and nothing else. */
async function rawBody(
  { services }: OpenInferenceParts,
  principal: Principal,
  endpointName: string,
  version: number | null,
  body: Buffer,
): Promise<InferBody> {
  const route = await services.predictions.describe(principal, endpointName);
  const { inputs } = describedTarget(route, version).version.signature;
  const [input] = inputs;
  if (!input || inputs.length > 1)
    throw badInput(JSON_LENGTH_HEADER, `JSON that names the ${inputs.length} inputs of the model`, 'raw bytes alone');
  return { ...readParameters({}), id: null, inputs: [fromBody(input, body)], outputs: null, allBinary: true };
}

/** The JSON of a request that may come without a body. */
function readObject(body: unknown): Readonly<Record<string, unknown>> {
  return Buffer.isBuffer(body) && body.length > 0 ? objectAt('body', parseJson(body)) : {};
}

const RETRY_AFTER_MS = 5_000;

function crowded(): AppError {
  return new AppError(
    ErrorCode.RESOURCE_EXHAUSTED,
    'Other large bodies are being unpacked: try again later, or send the request without compression.',
    { retryAfterMs: RETRY_AFTER_MS },
  );
}
