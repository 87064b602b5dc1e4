import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { Config } from '../../config.js';
import type { TokenVerifier } from '../../adapters/auth/port.js';
import type { Database } from '../../db/database.js';
import type { AnswerBudget } from '../../server/answer-bytes.js';
import { includesRole, Role, type Principal } from '../../modules/core/index.js';
import { unauthenticated } from '../../errors.js';
import type { Services } from '../../services.js';
import { discardRest } from '../body.js';
import { meteredCall } from '../metered-call.js';
import { tokenOf } from './credentials.js';
import type { Call, Endpoint, JsonEndpoint, StreamEndpoint } from './endpoint.js';
import { invalidParameter, MlflowError, toMlflowError, WRONG_CONTENT_TYPE } from './errors.js';
import { queryOf } from './query.js';
import { requireMlflowScope, requireOwnRun } from './run-scope.js';
import { fromBody, fromQuery, parseRequest, refuseUnstorable } from './protobuf-json.js';

export interface MlflowParts {
  /** All endpoints of the protocol that this service has; any other one is ENDPOINT_NOT_FOUND. */
  endpoints: readonly Endpoint[];
  tokens: TokenVerifier;
  db: Database;
  answers: AnswerBudget;
  services: Services;
  objects: ObjectStore;
  config: Pick<Config, 'PUBLIC_URL'>;
  logger: Logger;
}

/** The version of MLflow that has this protocol. MLflow's client asks for it, and decides by it what it sends. */
const PROTOCOL_VERSION = '3.17.2';
const SMALLER_PAGES =
  'Ask for smaller pages: give a lower max_results, then pass the next_page_token of the answer as page_token.';
const PREFIXES = ['/api', '/ajax-api'];
/** A log of a thousand metrics has 100 kB; one request may have the profiles of many datasets. */
const MAX_JSON_BYTES = 32 * 1024 ** 2;

/** MLflow's REST protocol, so that its clients can log to this service directly. */
export function registerMlflow(fastify: FastifyInstance, parts: MlflowParts): void {
  registerProbes(fastify, parts.objects);
  void fastify.register(async (scope) => {
    const principals = new WeakMap<FastifyRequest, Principal>();
    // The only place that authenticates callers: nothing in this scope answers before it.
    scope.addHook('onRequest', async (request) => {
      const token = tokenOf(request.headers.authorization);
      if (!token) throw unauthenticated();
      principals.set(request, await parts.tokens.verify(token));
    });
    scope.setErrorHandler((error, request, reply) => {
      const known = toMlflowError(error);
      if (!known) parts.logger.error({ err: error, requestId: request.id }, 'MLflow request failed');
      const shown =
        known ?? new MlflowError('INTERNAL_ERROR', `Something went wrong on our side. Quote request ${request.id}.`);
      if (shown.code === 'UNAUTHENTICATED') reply.header('www-authenticate', 'Basic realm="mlflow"');
      return reply.code(shown.status).send(shown.toJson());
    });
    const open: Open = (request, reply, endpoint) => {
      const principal = principals.get(request);
      if (!principal) throw unauthenticated();
      if (!includesRole(principal.role, endpoint.role)) {
        throw new MlflowError(
          'PERMISSION_DENIED',
          `This needs the role ${endpoint.role}; the token has ${principal.role}.`,
        );
      }
      requireMlflowScope(principal, endpoint);
      const actor = { principal, requestId: request.id };
      const origin = parts.config.PUBLIC_URL ?? `${request.protocol}://${request.host}`;
      if (!URL.canParse(origin)) throw invalidParameter('The Host header names no host.');
      const isChange = endpoint.role !== Role.VIEWER;
      const metered = meteredCall(parts, actor, reply, { isChange, howToAskForLess: SMALLER_PAGES });
      return { ...actor, ...metered, origin, services: parts.services };
    };
    await scope.register(async (json) => registerJson(json, parts.endpoints, open));
    await scope.register(async (streams) => registerStreams(streams, parts.endpoints, open));
    // Traces, prompts, gateways; another version, or a method that an endpoint does not have.
    for (const path of PREFIXES.flatMap((prefix) => [prefix, `${prefix}/*`])) {
      scope.all(path, async (request) => {
        throw noEndpoint(request);
      });
    }
  });
}

/** The error for a path without an endpoint, or without one for this method. */
export const noEndpoint = ({ method, url }: Pick<FastifyRequest, 'method' | 'url'>) =>
  new MlflowError('ENDPOINT_NOT_FOUND', `This service has no endpoint ${method} ${url.split('?')[0]}.`);

type Open = (request: FastifyRequest, reply: FastifyReply, endpoint: Endpoint) => Call;

/** The URLs of an endpoint. */
export const urlsOf = ({ path, version = '2.0' }: Endpoint) =>
  version === 'ROOT' ? [path] : PREFIXES.map((prefix) => `${prefix}/${version}${path}`);

function registerJson(scope: FastifyInstance, endpoints: readonly Endpoint[], open: Open): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  for (const endpoint of endpoints.filter((any): any is JsonEndpoint => any.kind === 'JSON')) {
    const { methods, schema, handle } = endpoint;
    for (const url of urlsOf(endpoint)) {
      scope.route({
        method: methods,
        url,
        exposeHeadRoute: false,
        bodyLimit: MAX_JSON_BYTES,
        handler: async (request, reply) => {
          const call = open(request, reply, endpoint);
          checkContentType(request);
          const path = request.params as Record<string, string>;
          refuseUnstorable(path);
          const input =
            request.method === 'GET'
              ? fromQuery(schema, new URLSearchParams(request.url.split('?')[1]))
              : fromBody(typeof request.body === 'string' ? request.body : '');
          reply.type('application/json');
          const parsed = parseRequest(schema, { ...input, ...path });
          requireOwnRun(call.principal, endpoint, parsed);
          const answer = await handle(call, parsed);
          return answer instanceof Readable ? answer : call.toJson(answer);
        },
      });
    }
  }
}

/** A page of another site can send forms and plain text with a browser's credentials, but not JSON. */
function checkContentType({ method, headers }: FastifyRequest): void {
  if (method !== 'POST' && method !== 'PUT') return;
  const type = headers['content-type'];
  if (type === undefined) throw invalidParameter('Bad Request. Content-Type header is missing.');
  if (type.split(';')[0] !== 'application/json') {
    throw invalidParameter(WRONG_CONTENT_TYPE);
  }
}

function registerStreams(scope: FastifyInstance, endpoints: readonly Endpoint[], open: Open): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  scope.addHook('onError', async (request) => discardRest(request.raw));
  for (const endpoint of endpoints.filter((any): any is StreamEndpoint => any.kind === 'STREAM')) {
    for (const url of urlsOf(endpoint)) {
      scope.route({
        method: endpoint.methods,
        url,
        exposeHeadRoute: false,
        bodyLimit: Number.MAX_SAFE_INTEGER,
        handler: async (request, reply) => {
          const call = open(request, reply, endpoint);
          requireOwnRun(call.principal, endpoint, { ...queryOf(request), ...(request.params as object) });
          return endpoint.handle(call, request, reply);
        },
      });
    }
  }
}

/** Requests that clients make before they authenticate. */
function registerProbes(fastify: FastifyInstance, { signedRequests }: ObjectStore): void {
  fastify.get('/version', async (_request, reply) => reply.type('text/plain; charset=utf-8').send(PROTOCOL_VERSION));
  fastify.get('/health', async (_request, reply) => reply.type('text/plain; charset=utf-8').send('OK'));
  for (const prefix of PREFIXES) {
    fastify.get(`${prefix}/3.0/mlflow/server-info`, async () => ({
      store_type: 'SqlStore',
      workspaces_enabled: false,
      trace_archival_enabled: false,
      multipart_uploads_enabled: true,
      // A signed URL costs a second request for a small file: it is worth it only when another server sends the bytes.
      multipart_downloads_enabled: signedRequests === null,
      presigned_upload_run_id_supported: false,
      presigned_upload_model_id_supported: false,
      features_enabled: { gateway: false },
    }));
  }
}
