import {
  isObjectType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import { includesRole, Role } from '../modules/core/index.js';
import { AppError, ErrorCode, unauthenticated } from '../errors.js';
import { compileArgumentCheck } from './argument-check.js';
import type { RequestContext } from './request-context.js';
import { checkScope } from './scope-rules.js';

/**
 * The only place where requests are authorised and their arguments are checked. It wraps every root field of the
 * finished schema, so that a new field cannot be forgotten. Queries and subscriptions need VIEWER, mutations ENGINEER,
 * unless the field's extension `minRole` says otherwise; a token with a scope can use only the fields of its scope
 * (`scope-rules.ts`).
 */
export function guardSchema(schema: GraphQLSchema): GraphQLSchema {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      if (roots.includes(type)) guardField(type, field);
      else checkFieldArguments(field);
    }
  }
  return schema;
}

/** Fields below the root: they are authorised with their root, and their arguments are checked like its own. */
function checkFieldArguments(field: GraphQLField<unknown, RequestContext>): void {
  const { resolve } = field;
  if (field.args.length === 0 || !resolve) return;
  const checkArguments = compileArgumentCheck(field);
  field.resolve = (source, args, context, info) => {
    checkArguments(args);
    return resolve(source, args, context, info);
  };
}

/**
 * Used instead of a method, under the extension `direct`. It takes the field's `input` as it was sent, because
 * type-graphql would first copy each of its thousands of objects into an instance of a class.
 */
export type DirectResolver = (context: RequestContext, input: never) => unknown;

function guardField(type: GraphQLObjectType, field: GraphQLField<unknown, RequestContext>): void {
  const needed =
    (field.extensions['minRole'] as Role | undefined) ?? (type.name === 'Mutation' ? Role.ENGINEER : Role.VIEWER);
  const checkArguments = compileArgumentCheck(field);
  const check = (args: Record<string, unknown>, context: RequestContext, info: GraphQLResolveInfo) => {
    if (!includesRole(context.principal.role, needed)) {
      throw new AppError(
        ErrorCode.FORBIDDEN,
        `${field.name} needs the role ${needed}; this token has ${context.principal.role}.`,
        {
          expected: needed,
          got: context.principal.role,
        },
      );
    }
    checkScope(context.principal, type, args, info);
    checkArguments(args);
  };
  const direct = field.extensions['direct'] as DirectResolver | undefined;
  const { subscribe } = field;
  const resolve: typeof field.resolve = direct
    ? (_source, args, context) => direct(context, args['input'] as never)
    : field.resolve;
  if (type.name === 'Subscription' && subscribe) {
    field.subscribe = async (source, args, context, info) => {
      check(args, context, info);
      return withLastError((await subscribe(source, args, context, info)) as AsyncIterableIterator<unknown>, context);
    };
    field.resolve = (item, args, context, info) => {
      if (item instanceof Error) throw item;
      return resolve ? resolve(item, args, context, info) : item;
    };
  } else if (resolve) {
    field.resolve = (source, args, context, info) => {
      check(args, context, info);
      return resolve(source, args, context, info);
    };
  }
}

/**
 * Yields the same items. When the source fails or the token ends, the error is one last item, which the field's
 * resolver throws: the client gets it in order, with its code, and the socket stays open.
 */
function withLastError(
  source: AsyncIterableIterator<unknown>,
  context: RequestContext,
): AsyncIterableIterator<unknown> {
  const { expiresAt } = context.principal;
  let failure: Error | null = null;
  let over = false;
  const tokenEnded = () => {
    failure = unauthenticated();
    void source.return?.();
  };
  // setTimeout can wait at most 24 days. The subscription of a token that lives longer ends then, and its client
  // connects again.
  const timer = setTimeout(tokenEnded, Math.min(Math.max(0, expiresAt.getTime() - Date.now()), 2 ** 31 - 1));
  timer.unref();
  const unwatch = context.watchToken(tokenEnded);
  const letGo = () => {
    clearTimeout(timer);
    unwatch();
  };
  const end = async (): Promise<IteratorResult<unknown>> => {
    over = true;
    letGo();
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
      if (!failure) {
        if (item.done) letGo();
        return item;
      }
      over = true;
      letGo();
      return { done: false, value: failure };
    },
    return: end,
    throw: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
