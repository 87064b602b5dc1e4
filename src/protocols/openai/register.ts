import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TokenVerifier } from '../../adapters/auth/port.js';
import type { Database } from '../../db/database.js';
import { AppError, notFoundByName } from '../../errors.js';
import { type Principal, Role } from '../../modules/core/index.js';
import { textEndpoints } from '../../modules/serving/index.js';
import type { Services } from '../../services.js';
import { callerOf, type Need } from '../caller.js';
import { shownError, type ErrorParts, type ShownError } from '../errors.js';
import { eventsOf, headOf, wholeAnswer } from './answers.js';
import { parameterOf, readCall } from './body.js';

export interface OpenAiParts extends ErrorParts {
  tokens: TokenVerifier;
  db: Database;
  services: Services;
}

const CHATTING: Need = { what: 'Using a language model', role: Role.VIEWER, scopes: ['PREDICT'] };
const LISTING: Need = { what: 'Listing the language models', role: Role.VIEWER, scopes: ['READ', 'PREDICT'] };

/**
 * OpenAI's API for chats, completions and models: a model is an endpoint with a language model, by its name. Clients
 * bring their tokens of this service as keys.
 */
export function registerOpenAi(fastify: FastifyInstance, parts: OpenAiParts): void {
  const { tokens, db, services } = parts;
  const describe = (error: unknown, request: FastifyRequest) => {
    const { status, retryAfterSeconds, body } = shownError(parts, error, request);
    return { ...errorOf(error, status, body), retryAfterSeconds };
  };

  const answer = async (kind: 'CHAT' | 'COMPLETION', request: FastifyRequest, reply: FastifyReply) => {
    const principal = await callerOf(tokens, request.headers.authorization, CHATTING);
    const { input, isStreamed, withUsage } = readCall(kind, typeof request.body === 'string' ? request.body : '');
    const head = headOf(kind, input.endpointName ?? '');
    if (!isStreamed) {
      const isGone = () => reply.raw.destroyed;
      return wholeAnswer(head, await services.texts.answer(principal, input, request.id, request.headers, isGone));
    }
    const stream = await services.texts.stream(principal, input, request.id, request.headers);
    const stop = () => void stream.return?.();
    reply.raw.once('close', stop);
    if (reply.raw.destroyed) stop();
    // An error before the first token has a status of its own.
    const first = await stream.next();
    const events = eventsOf(head, stream, first, {
      withUsage,
      errorOf: (error) => ({ error: describe(error, request).error }),
    });
    void reply.type('text/event-stream; charset=utf-8').header('cache-control', 'no-store');
    return reply.header('x-accel-buffering', 'no').send(Readable.from(events, { objectMode: false }));
  };

  const models = async (request: FastifyRequest) => {
    const principal = await callerOf(tokens, request.headers.authorization, LISTING);
    const endpoints = await db.transact({ principal, requestId: request.id }, textEndpoints);
    return endpoints.filter(({ name }) => isInScope(principal, name)).map(modelOf);
  };

  void fastify.register(async (scope) => {
    scope.setErrorHandler((error, request, reply) => {
      const { status, retryAfterSeconds, error: shown, mayRetry } = describe(error, request);
      if (retryAfterSeconds !== null && mayRetry) reply.header('retry-after', retryAfterSeconds);
      // Else OpenAI's clients would try again.
      if (!mayRetry) reply.header('x-should-retry', 'false');
      return reply.code(status).send({ error: shown });
    });
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    scope.post('/v1/chat/completions', (request, reply) => answer('CHAT', request, reply));
    scope.post('/v1/completions', (request, reply) => answer('COMPLETION', request, reply));
    scope.get('/v1/models', async (request) => ({ object: 'list', data: await models(request) }));
    scope.get<{ Params: { model: string } }>('/v1/models/:model', async (request) => {
      const { model } = request.params;
      const found = (await models(request)).find(({ id }) => id === model);
      if (!found) throw notFoundByName('endpoint with a language model', model);
      return found;
    });
  });
}

function isInScope({ scope }: Principal, name: string): boolean {
  return scope?.kind !== 'PREDICT' || scope.endpoints.some((endpoint) => endpoint.name === name);
}

function modelOf({ name, createdAt }: { name: string; createdAt: Date }) {
  return { id: name, object: 'model', created: Math.floor(createdAt.getTime() / 1_000), owned_by: 'matih' };
}

/** An error in OpenAI's form. */
function errorOf(error: unknown, status: number, { code, message, field }: ShownError['body']) {
  const isBudget = error instanceof AppError && error.details['renewsAt'] !== undefined;
  // Clients of OpenAI take a 409 for something that passes.
  const shownStatus = status === 409 || status === 413 ? 400 : status;
  const param = typeof field === 'string' ? parameterOf(field) : null;
  return {
    status: shownStatus,
    mayRetry: !isBudget && (shownStatus === 429 || shownStatus >= 503),
    error: {
      message: typeof field === 'string' ? message.replace(field, param ?? '') : message,
      type: isBudget ? 'insufficient_quota' : typeOf(shownStatus),
      param,
      code: isBudget ? 'insufficient_quota' : code.toLowerCase(),
    },
  };
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
