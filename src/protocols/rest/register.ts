import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { TokenVerifier } from '../../adapters/auth/port.js';
import type { Database } from '../../db/database.js';
import type { AnswerBudget } from '../../server/answer-bytes.js';
import {
  bearerOf,
  checkJson,
  checkText,
  pathOf,
  type InputPosition,
  type Principal,
  Role,
} from '../../modules/core/index.js';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import type { Services } from '../../services.js';
import { callerOf } from '../caller.js';
import { answerErrors, withoutInputPrefix, type ErrorParts } from '../errors.js';
import { meteredCall } from '../metered-call.js';
import { openApi } from './openapi.js';
import type { Operation } from './operation.js';

export interface RestParts extends ErrorParts {
  /** All operations; any other path is NOT_FOUND. */
  operations: readonly Operation[];
  tokens: TokenVerifier;
  db: Database;
  answers: AnswerBudget;
  services: Services;
}

/** Predictions for clients that have only HTTP, described at /v1/openapi.json. */
export function registerRest(fastify: FastifyInstance, parts: RestParts): void {
  const { operations, tokens, services } = parts;
  void fastify.register(
    async (scope) => {
      answerErrors(scope, parts, {
        document: '/v1/openapi.json',
        formOf: ({ message, field, ...others }) => ({
          ...others,
          message: withoutInputPrefix(message),
          ...(typeof field === 'string' && { field: withoutInputPrefix(field) }),
        }),
      });
      scope.removeAllContentTypeParsers();
      // Accepts any content type, because curl sends every body as a form.
      scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
      const description = openApi(operations);
      scope.get('/openapi.json', async () => description);
      for (const operation of operations) {
        scope.route({
          method: operation.method,
          url: operation.path.replaceAll(/\{(\w+)\}/g, ':$1'),
          exposeHeadRoute: false,
          handler: async (request, reply) => {
            const { authorization } = request.headers;
            const { need } = operation;
            const principal = need === 'ATTEMPT' ? NOBODY : await callerOf(tokens, authorization, need);
            const actor = { principal, requestId: request.id };
            const params = request.params as Record<string, string>;
            for (const [name, text] of Object.entries(params)) checkText(text, null, name);
            const body = operation.body && readBody(operation.body, request);
            const metered = meteredCall(parts, actor, reply, { isChange: false, howToAskForLess: FEWER_ROWS });
            const { headers } = request;
            const call = { ...actor, ...metered, headers, token: bearerOf(authorization), services };
            const answer = await operation.handle(call, params, body);
            reply.type('application/json; charset=utf-8');
            return metered.toJson(answer);
          },
        });
      }
    },
    { prefix: '/v1' },
  );
}

const FEWER_ROWS = 'Send fewer rows in one request.';

/** The principal of a token of an attempt: it can only report on the attempt. */
const NOBODY: Principal = { subject: 'attempt', tenant: '', role: Role.VIEWER, expiresAt: new Date(0) };

function readBody(schema: z.ZodType, { body }: FastifyRequest): unknown {
  let value: unknown;
  try {
    value = JSON.parse(typeof body === 'string' ? body : '');
  } catch (error) {
    throw new AppError(
      ErrorCode.BAD_USER_INPUT,
      'The body is not JSON: send one object.',
      { field: 'body', expected: 'one JSON object' },
      { cause: error },
    );
  }
  if (typeof value === 'object' && value !== null)
    for (const [key, part] of Object.entries(value)) checkJson(part, null, key);
  const { error } = schema.safeParse(value);
  const [issue] = error?.issues ?? [];
  // The value is used as it was sent: the schemas only check, and a copy would lose a key such as __proto__.
  if (!issue) return value;
  const [first = 'body', ...rest] = issue.path as (string | number)[];
  let place: InputPosition = { parent: null, key: first };
  for (const key of rest) place = { parent: place, key };
  const field = pathOf(place.parent, place.key);
  if (issue.code === 'unrecognized_keys')
    throw badInput(issue.keys[0] ?? field, 'a field that /v1/openapi.json lists', 'an unknown field');
  throw badInput(field, expectedBy(issue), valueAt(value, issue.path));
}

function expectedBy(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return ARTICLES[issue.expected] ?? issue.expected;
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')}`;
  return issue.message;
}

const ARTICLES: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}
