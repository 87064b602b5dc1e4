import {
  getNamedType,
  isInputObjectType,
  isListType,
  isNonNullType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';
import { UUID } from '../domain/ids.js';
import { includesRole, Role } from '../domain/principal.js';
import { AppError, badInput, ErrorCode, unauthenticated } from '../errors.js';
import type { RequestContext } from './request-context.js';

const MAX_STRING_LENGTH = 100_000;

/**
 * The one place where requests are authorised and their arguments checked: it wraps every root field of the finished schema,
 * so that a new field cannot be forgotten. Queries and subscriptions need VIEWER, mutations ENGINEER, unless the field's
 * extension `minRole` says otherwise.
 */
export function guardSchema(schema: GraphQLSchema): GraphQLSchema {
  for (const type of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    if (type) for (const field of Object.values(type.getFields())) guardField(type, field);
  }
  return schema;
}

function guardField(type: GraphQLObjectType, field: GraphQLField<unknown, RequestContext>): void {
  const needed = (field.extensions['minRole'] as Role | undefined) ?? (type.name === 'Mutation' ? Role.ENGINEER : Role.VIEWER);
  const check = (args: Record<string, unknown>, context: RequestContext) => {
    if (!includesRole(context.principal.role, needed)) {
      throw new AppError(ErrorCode.FORBIDDEN, `${field.name} needs the role ${needed}; this token has ${context.principal.role}.`, {
        expected: needed,
        got: context.principal.role,
      });
    }
    for (const argument of field.args) checkValue(argument.name, argument.type, args[argument.name]);
  };
  const { resolve, subscribe } = field;
  if (type.name === 'Subscription' && subscribe) {
    field.subscribe = async (source, args, context, info) => {
      check(args, context);
      return withLastError((await subscribe(source, args, context, info)) as AsyncIterableIterator<unknown>, context.principal.expiresAt);
    };
    field.resolve = (item, args, context, info) => {
      if (item instanceof Error) throw item;
      return resolve ? resolve(item, args, context, info) : item;
    };
  } else if (resolve) {
    field.resolve = (source, args, context, info) => {
      check(args, context);
      return resolve(source, args, context, info);
    };
  }
}

function checkValue(path: string, type: GraphQLInputType, value: unknown): void {
  if (value === null || value === undefined) return;
  if (isNonNullType(type)) checkValue(path, type.ofType, value);
  else if (isListType(type)) (value as unknown[]).forEach((item, i) => checkValue(`${path}[${i}]`, type.ofType, item));
  else if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) checkValue(`${path}.${field.name}`, field.type, (value as Record<string, unknown>)[field.name]);
  } else checkScalar(path, getNamedType(type).name, value);
}

function checkScalar(path: string, typeName: string, value: unknown): void {
  if (typeName === 'ID' && !UUID.test(String(value))) throw badInput(path, 'an id as this API gives them (a UUID)', value);
  if (typeof value === 'string') checkText(path, value);
  if (typeName === 'Float' && !Number.isFinite(value)) throw badInput(path, 'a finite number', String(value));
  if (typeName === 'JSON') checkJson(path, value, 0);
}

function checkText(path: string, text: string): void {
  if (text.length > MAX_STRING_LENGTH) throw badInput(path, `at most ${MAX_STRING_LENGTH} characters`, `${text.length} characters`);
  if (text.includes('\0')) throw badInput(path, 'text without NUL characters', text);
  if (!text.isWellFormed()) throw badInput(path, 'well-formed Unicode text', text);
}

const MAX_JSON_DEPTH = 32;

function checkJson(path: string, value: unknown, depth: number): void {
  if (depth > MAX_JSON_DEPTH) throw badInput(path, `JSON nested at most ${MAX_JSON_DEPTH} deep`, 'deeper nesting');
  if (typeof value === 'string') checkText(path, value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw badInput(path, 'finite numbers', String(value));
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    checkText(path, key);
    if (key === '__proto__') throw badInput(path, 'keys other than __proto__', key);
    checkJson(Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, item, depth + 1);
  }
}

/**
 * The same items. When the source fails or the token ends, the error comes as one last item, which the field's resolver throws:
 * the client gets it in order, with its code, instead of a closed socket.
 */
function withLastError(source: AsyncIterableIterator<unknown>, expiresAt: Date): AsyncIterableIterator<unknown> {
  let failure: Error | null = null;
  let over = false;
  // setTimeout holds 24 days; a token that lives longer is checked again when its client reconnects.
  const timer = setTimeout(
    () => {
      failure = unauthenticated();
      void source.return?.();
    },
    Math.min(Math.max(0, expiresAt.getTime() - Date.now()), 2 ** 31 - 1),
  );
  timer.unref();
  const end = async (): Promise<IteratorResult<unknown>> => {
    over = true;
    clearTimeout(timer);
    await source.return?.();
    return { done: true, value: undefined };
  };
  return {
    next: async () => {
      if (over) return end();
      const item = await source.next().catch((error: unknown) => {
        failure = error instanceof Error ? error : new Error(String(error));
        return { done: true as const, value: undefined };
      });
      if (!failure) return item;
      over = true;
      return { done: false, value: failure };
    },
    return: end,
    throw: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
