import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { unwrapResolverError } from '@apollo/server/errors';
import { ApolloServerPluginCacheControlDisabled } from '@apollo/server/plugin/disabled';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  getOperationAST,
  GraphQLError,
  OperationTypeNode,
  Kind,
  parse,
  specifiedRules,
  validate,
  type DocumentNode,
} from 'graphql';
import { CloseCode, handleProtocols, makeServer } from 'graphql-ws';
import { LRUCache } from 'lru-cache';
import { WebSocketServer, type WebSocket } from 'ws';
import type { TokenVerifier } from '../adapters/auth/port.js';
import type { KnownTokens } from '../modules/platform/index.js';
import { AppError, badInput, ErrorCode, unauthenticated } from '../errors.js';
import type { RequestContext } from '../resolvers/request-context.js';
import { bearerOf, type Principal } from '../modules/core/index.js';
import type { AnswerBudget, AnswerBytes } from './answer-bytes.js';
import type { BodyGate } from './body-budget.js';
import { toClientError } from './client-error.js';
import { checkQueryLimits, MAX_TOKENS } from './query-limits.js';
import { RepeatedOperations, rootField, type OperationOptions } from './repeated-operations.js';
import { SocketWriter, TurnBudget } from './socket-writer.js';
import { SubscriptionHub, type SubscriptionArgs } from './subscription-hub.js';
import { carryProtocol, type SocketExtra } from './subscription-socket.js';

/** The request of a client that waits for one answer. */
export type ClientRequest = Pick<IncomingMessage, 'headers'> & { socket: Pick<Socket, 'destroyed'> };

export interface GraphQLOptions extends OperationOptions {
  tokens: KnownTokens;
  allowedOrigins: string[];
  maxBodyBytes: number;
  bodies: BodyGate;
  newContext(
    principal: Principal,
    requestId: string,
    bytes: AnswerBytes | null,
    request?: ClientRequest,
  ): RequestContext;
  answers: AnswerBudget;
  newRequestId(): string;
}

const MAX_SUBSCRIPTIONS_PER_SOCKET = 100;
const MAX_OPERATION_ID_LENGTH = 250;
/** Time for a client to answer the closing of its socket. */
const CLOSE_GRACE_MS = 3_000;
/** Time to send the last frames to a socket that is being closed. */
const LAST_WORDS_MS = 100;

/** GraphQL over HTTP at POST /graphql. */
export async function registerGraphQL(app: FastifyInstance, options: GraphQLOptions): Promise<void> {
  const contextOf = (request: FastifyRequest, reply: FastifyReply) => {
    const newContext = (principal: Principal) => {
      // An answer keeps its turn until it is sent.
      const bytes = options.answers.open(principal.tenant, (large) => {
        if (reply.raw.closed) large.end();
        else reply.raw.once('close', () => large.end());
      });
      return options.newContext(principal, request.id, bytes, request.raw);
    };
    const principal = authenticate(options.tokens, request.headers.authorization);
    return principal instanceof Promise ? principal.then(newContext) : newContext(principal);
  };
  const limitsPlugin: ApolloServerPlugin<RequestContext> = {
    async requestDidStart() {
      const startedAt = performance.now();
      return {
        async willSendResponse({ operation, response, contextValue }) {
          const result = response.body.kind === 'single' ? response.body.singleResult : response.body.initialResult;
          const refusal = operation && contextValue.bytes?.refusalOf(operation.operation, () => JSON.stringify(result));
          if (refusal) {
            const shown = toClientError(refusal, options.logger, contextValue.requestId);
            Object.assign(result, { errors: [shown.toJSON()], data: null });
          }
          const code = String(result.errors?.[0]?.extensions?.['code'] ?? 'OK');
          options.observe(rootField(operation), code, (performance.now() - startedAt) / 1000);
        },
        async didResolveOperation({ document, operation, request }) {
          asGraphQLError(() => {
            if (operation?.operation === 'subscription') {
              throw new AppError(
                ErrorCode.BAD_USER_INPUT,
                'Subscriptions go over WebSocket (graphql-transport-ws) on this same address.',
              );
            }
            checkQueryLimits(options.schema, document, request.variables ?? {}, options.limits);
            if (request.query) repeated.learn(request.query, document);
          });
        },
      };
    },
  };
  const apollo = new ApolloServer<RequestContext>({
    schema: options.schema,
    // Cache hints are not used, and Apollo would wrap every field of the schema for them.
    plugins: [limitsPlugin, ApolloServerPluginCacheControlDisabled()],
    introspection: true,
    includeStacktraceInErrorResponses: false,
    csrfPrevention: true,
    parseOptions: { maxTokens: MAX_TOKENS },
    stopOnTerminationSignals: false,
    formatError: (formatted, error) => {
      const requestId = String(formatted.extensions?.['requestId'] ?? options.newRequestId());
      const cause = unwrapResolverError(error);
      const known =
        error instanceof GraphQLError ? error : new GraphQLError(formatted.message, { originalError: cause as Error });
      return toClientError(known, options.logger, requestId).toJSON();
    },
  });
  await apollo.start();
  const viaApollo = fastifyApolloHandler(apollo, { context: async (request, reply) => contextOf(request, reply) });
  const repeated = new RepeatedOperations(options, contextOf, (request, reply) => viaApollo.call(app, request, reply));
  app.post('/graphql', (request, reply) => repeated.answer(request, reply));
}

/** The principal of an Authorization header; an error has its HTTP status. */
function authenticate(tokens: TokenVerifier, header: unknown): Principal | Promise<Principal> {
  const token = bearerOf(header);
  if (!token) {
    const refused = unauthenticated();
    throw new GraphQLError(refused.message, {
      originalError: refused,
      extensions: { code: refused.code, http: { status: 401 } },
    });
  }
  const principal = tokens.verify(token);
  return principal instanceof Promise ? principal.catch(refuseToken) : principal;
}

function refuseToken(error: unknown): never {
  if (!(error instanceof AppError)) throw error;
  const status = error.code === ErrorCode.UNAVAILABLE ? 503 : 401;
  throw new GraphQLError(error.message, { originalError: error, extensions: { code: error.code, http: { status } } });
}

/**
 * GraphQL over WebSocket (graphql-transport-ws) at the same URL; the token is in connectionParams.authorization or
 * .token.
 */
export function attachSubscriptions(
  server: Server,
  options: GraphQLOptions,
): { close(): Promise<void>; sockets(): number; running(): number } {
  // One message at a time, so that many messages on one socket do not block others.
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxBodyBytes,
    handleProtocols,
    allowSynchronousEvents: false,
  });
  const budget = new TurnBudget();
  const writers = new WeakMap<WebSocket, SocketWriter>();
  const hub = new SubscriptionHub({
    newContext: ({ principal, requestId }) =>
      options.newContext(principal, requestId, options.answers.open(principal.tenant)),
    toClientErrors: (errors, { requestId }) => errors.map((error) => toClientError(error, options.logger, requestId)),
  });
  server.on('upgrade', (request, socket, head) => {
    // Node's server no longer listens to this socket, and an error without a listener would end the process.
    socket.on('error', () => socket.destroy());
    const [path] = (request.url ?? '/').split('?', 1);
    const origin = request.headers.origin;
    const sameOrigin = origin !== undefined && URL.canParse(origin) && new URL(origin).host === request.headers.host;
    if (path !== '/graphql') socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
    else if (origin !== undefined && !sameOrigin && !options.allowedOrigins.includes(origin)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
    } else {
      sockets.handleUpgrade(request, socket, head, (client) => {
        writers.set(client, new SocketWriter(client, socket, budget));
        const extra: SocketExtra = { socket: client, request };
        carryProtocol(protocol, extra, socket, options.logger);
        options.bodies.watch(client, socket, options.maxBodyBytes, () => extra.principal?.tenant);
      });
    }
  });
  /** Operations by their ids; operations with a single answer have its byte count. */
  const perSocket = new WeakMap<object, Map<string, AnswerBytes | null>>();
  const end = ({ socket }: SocketExtra, id: string) => {
    perSocket.get(socket)?.get(id)?.end();
    perSocket.get(socket)?.delete(id);
  };
  /** Valid documents by their text. Each takes about two hundred times the memory of its text. */
  const documents = new LRUCache<string, DocumentNode>({
    maxSize: 1024 ** 2,
    sizeCalculation: (_document, text) => text.length + 1,
  });
  const protocol = makeServer<Record<string, unknown>, SocketExtra>({
    schema: options.schema,
    // `onSubscribe` below has made the arguments.
    subscribe: (args) => hub.subscribe(args as SubscriptionArgs),
    connectionInitWaitTimeout: 10_000,
    onConnect: async ({ connectionParams, extra }) => {
      const header = connectionParams?.['authorization'] ?? connectionParams?.['Authorization'];
      const token = connectionParams?.['token'];
      try {
        extra.principal = await authenticate(
          options.tokens,
          header ?? (typeof token === 'string' ? `Bearer ${token}` : undefined),
        );
        closeWhenRevoked(extra, options.tokens);
        return true;
      } catch {
        return false;
      }
    },
    onSubscribe: ({ extra }, id, payload) => {
      const requestId = options.newRequestId();
      try {
        const open = perSocket.get(extra.socket) ?? new Map<string, AnswerBytes | null>();
        if (!perSocket.has(extra.socket)) {
          perSocket.set(extra.socket, open);
          extra.socket.once('close', () => open.forEach((bytes) => bytes?.end()));
        }
        if (open.size >= MAX_SUBSCRIPTIONS_PER_SOCKET) {
          throw new AppError(
            ErrorCode.RESOURCE_EXHAUSTED,
            `A socket carries at most ${MAX_SUBSCRIPTIONS_PER_SOCKET} operations at once; open another or end some.`,
          );
        }
        if (id.length > MAX_OPERATION_ID_LENGTH)
          throw badInput('id', `at most ${MAX_OPERATION_ID_LENGTH} characters`, `${id.length} characters`);
        const principal = extra.principal;
        if (!principal || extra.isRevoked || principal.expiresAt.getTime() <= Date.now()) throw unauthenticated();
        const known = documents.get(payload.query);
        const document = known ?? parse(payload.query, { maxTokens: MAX_TOKENS });
        const errors = known ? [] : validate(options.schema, document, specifiedRules, { maxErrors: 10 });
        if (errors.length > 0) return errors.map((error) => toClientError(error, options.logger, requestId));
        const variableValues = declaredOf(document, payload.variables ?? {});
        checkQueryLimits(options.schema, document, variableValues, options.limits);
        documents.set(payload.query, document);
        // graphql-ws keeps the message as long as the operation lives.
        Object.assign(payload, { variables: variableValues, extensions: null });
        const operation = getOperationAST(document, payload.operationName);
        const isSubscription = operation?.operation === OperationTypeNode.SUBSCRIPTION;
        // Each event of a subscription is a separate answer.
        const bytes = isSubscription ? null : options.answers.open(principal.tenant);
        open.set(id, bytes);
        return {
          schema: options.schema,
          document,
          operationName: payload.operationName,
          variableValues,
          contextValue: options.newContext(principal, requestId, bytes, extra.request),
          query: payload.query,
          id,
          writer: writers.get(extra.socket),
        };
      } catch (error) {
        return [toClientError(error instanceof GraphQLError ? error : wrap(error), options.logger, requestId)];
      }
    },
    onComplete: ({ extra }, id) => end(extra, id),
    onNext: (_context, _id, _payload, args, result) => {
      const { requestId, bytes } = args.contextValue as RequestContext;
      const operation = getOperationAST(args.document, args.operationName)?.operation ?? OperationTypeNode.QUERY;
      const refusal = bytes?.refusalOf(operation, () => JSON.stringify(result));
      if (refusal) return { errors: [toClientError(refusal, options.logger, requestId)], data: null };
      if (!result.errors) return undefined;
      return { ...result, errors: result.errors.map((error) => toClientError(error, options.logger, requestId)) };
    },
    onError: ({ extra }, id, _payload, errors) => {
      end(extra, id);
      return errors.map((error) =>
        toClientError(
          error,
          options.logger,
          String(error.extensions?.['requestId'] ?? options.newRequestId()),
        ).toJSON(),
      );
    },
  });
  return {
    sockets: () => sockets.clients.size,
    running: () => [...sockets.clients].reduce((sum, client) => sum + (perSocket.get(client)?.size ?? 0), 0),
    close: async () => {
      for (const client of sockets.clients)
        client.close(1001, 'Going away: reconnect and pass your last seq as `after`.');
      const deadline = setTimeout(() => sockets.clients.forEach((client) => client.terminate()), CLOSE_GRACE_MS);
      await new Promise<void>((resolve) => sockets.close(() => resolve()));
      clearTimeout(deadline);
    },
  };
}

/**
 * Closes the socket after its subscriptions have reported the revoked token. Anything else on this socket is refused at
 * once.
 */
function closeWhenRevoked(extra: SocketExtra, tokens: KnownTokens): void {
  const { principal, socket } = extra;
  if (!principal) return;
  const unwatch = tokens.watch(principal, () => {
    extra.isRevoked = true;
    setTimeout(() => socket.close(CloseCode.Unauthorized, 'The token was revoked.'), LAST_WORDS_MS).unref();
  });
  socket.once('close', unwatch);
}

/** The variables that a document declares. */
function declaredOf(document: DocumentNode, variables: Record<string, unknown>): Record<string, unknown> {
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const names = operations.flatMap(({ variableDefinitions = [] }) =>
    variableDefinitions.map(({ variable }) => variable.name.value),
  );
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(variables, name)).map((name) => [name, variables[name]]),
  );
}

function wrap(error: unknown): GraphQLError {
  return new GraphQLError(error instanceof Error ? error.message : String(error), { originalError: error as Error });
}

function asGraphQLError(check: () => void): void {
  try {
    check();
  } catch (error) {
    const refused = wrap(error);
    // Without this status, Apollo would report an exception of a plugin as a fault of the server.
    refused.extensions['http'] = { status: 400 };
    throw refused;
  }
}
