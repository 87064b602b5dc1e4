import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyCors from '@fastify/cors';
import fastifyStatic from '@fastify/static';
import { Registry, collectDefaultMetrics } from '@prometheus-io/client';
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { AppContext } from '../context.js';
import { FolderProbe } from '../folder-probe.js';
import type { Session } from '../db/database.js';
import type { Principal } from '../modules/core/index.js';
import { AppError, ErrorCode } from '../errors.js';
import { registerArtifacts } from '../protocols/artifacts.js';
import { noEndpoint, registerMlflow } from '../protocols/mlflow/register.js';
import { registerOpenAi } from '../protocols/openai/register.js';
import { registerOps } from '../protocols/ops.js';
import { admission, openInferenceServices } from '../protocols/open-inference/grpc.js';
import { fastRoad } from '../protocols/open-inference/fast-road.js';
import { registerOpenInference } from '../protocols/open-inference/register.js';
import { registerRest } from '../protocols/rest/register.js';
import { registerSignedObjects } from '../protocols/signed-objects.js';
import { registerUploads } from '../protocols/uploads.js';
import { registerWorkFiles } from '../protocols/work-files.js';
import type { Loaders } from '../loaders.js';
import type { RequestHeaders } from '../modules/serving/index.js';
import type { RequestContext } from '../resolvers/request-context.js';
import { createSchema } from '../resolvers/schema.js';
import type { Services } from '../services.js';
import { AnswerBudget, type AnswerBytes } from './answer-bytes.js';
import { BodyGate } from './body-budget.js';
import { drain } from './drain.js';
import { FairBudget } from './fair-budget.js';
import { startGrpc, type GrpcServer } from './grpc.js';
import { attachSubscriptions, registerGraphQL, type ClientRequest, type GraphQLOptions } from './graphql.js';
import { toHttpError } from './http-error.js';

export interface HttpServer {
  url: string;
  port: number;
  /** Address of all gRPC protocols, e.g. `127.0.0.1:8001`. */
  grpcAddress: string;
  /** Takes no new requests, lets running ones finish, and closes WebSockets with 1001. */
  close(): Promise<void>;
}

/** A connection without traffic for this time is closed: incomplete bodies end, and answers have enough time. */
const IDLE_CONNECTION_MS = 10 * 60_000;
/** MLflow's clients put tag names into paths: 250 characters, each of up to four escaped bytes. */
const MAX_PATH_PARAMETER_LENGTH = 3_000;
/** Limit of all bodies that are unpacked at the same time. */
const UNPACKING_BYTES = 128 * 1024 ** 2;
const UNPACKING_WAIT_MS = 10_000;
const MAX_UNPACKING = 256;
const GRAPHIQL_DIR = fileURLToPath(new URL('../../dist/graphiql/', import.meta.url));

const DEFAULT_GRPC_PORT = 8001;

/** The API of the service: everything over HTTP on one port, and gRPC on another. */
export async function startHttp(app: AppContext): Promise<HttpServer> {
  const { config, logger } = app;
  let draining = false;
  const requestLogger: FastifyBaseLogger = logger.child(
    { part: 'http' },
    { level: config.LOG_LEVEL === 'debug' ? 'debug' : 'warn' },
  );
  // Nothing logs through a request, and a logger for each request would cost time.
  if (config.LOG_LEVEL !== 'debug') requestLogger.child = () => requestLogger;
  const fastify: FastifyInstance = Fastify({
    loggerInstance: requestLogger,
    // GraphQL takes only the fields that it knows, and the guard refuses such keys in open JSON; searching for them in
    // the text costs more than parsing it.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
    genReqId: () => randomUUID(),
    bodyLimit: config.MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PATH_PARAMETER_LENGTH },
    connectionTimeout: IDLE_CONNECTION_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
  });
  const bodies = new BodyGate(app.tokens);
  fastify.addHook('preParsing', bodies.preParsing);
  fastify.addHook('onSend', (request, reply, payload, done) => {
    bodies.release(request);
    reply.header('x-request-id', request.id);
    if (draining) reply.header('connection', 'close');
    done(null, payload);
  });
  fastify.setErrorHandler((error, request, reply) => {
    const { status, body } = toHttpError(error, request.id);
    if (status >= 500) logger.error({ err: error, requestId: request.id }, 'request failed');
    void reply.code(status).send({ error: body });
  });
  // In both formats, because MLflow's clients look for theirs at any path.
  fastify.setNotFoundHandler((request, reply) => {
    const missing = noEndpoint(request);
    const error = { code: ErrorCode.NOT_FOUND, message: missing.message, requestId: request.id };
    void reply.code(404).send({ ...missing.toJson(), error });
  });
  await fastify.register(fastifyCors, { origin: config.ALLOWED_ORIGINS, methods: ['GET', 'POST', 'PUT'] });

  const artifacts = join(config.DATA_DIR, 'artifacts');
  const folders = [
    // With S3 there is no folder of artifacts, but a cache.
    new FolderProbe('data folder', existsSync(artifacts) ? artifacts : config.DATA_DIR),
    new FolderProbe('temporary folder', tmpdir()),
  ];
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const notReady = async () =>
    draining ? ['draining'] : (await Promise.all([app.db, ...folders].map((part) => part.problems()))).flat();
  registerOps(fastify, { registry, notReady });
  const answers = new AnswerBudget({
    maxAnswerBytes: config.MAX_ANSWER_BYTES,
    connections: config.DATABASE_POOL_SIZE,
    connectionWaitMs: config.DATABASE_TIMEOUT_MS,
  });
  registerUploads(fastify, app);
  registerWorkFiles(fastify, app);
  registerArtifacts(fastify, app);
  registerSignedObjects(fastify, app);
  registerMlflow(fastify, { ...app, answers, endpoints: app.modules.flatMap((module) => module.mlflowEndpoints) });
  registerRest(fastify, {
    ...app,
    answers,
    operations: app.modules.flatMap((module) => module.restOperations),
    toHttpError,
  });
  const unpacking = new FairBudget({ amount: UNPACKING_BYTES, waitMs: UNPACKING_WAIT_MS, waiting: MAX_UNPACKING });
  const openInference = { ...app, unpacking, notReady, toHttpError };
  registerOpenInference(fastify, openInference);
  registerOpenAi(fastify, { ...app, toHttpError });
  await registerGraphiql(fastify);

  const graphql: GraphQLOptions = {
    schema: await createSchema(app.modules),
    tokens: app.tokens,
    limits: { maxDepth: config.MAX_QUERY_DEPTH, maxCost: config.MAX_QUERY_COST, maxAliases: 30, maxDirectives: 50 },
    allowedOrigins: config.ALLOWED_ORIGINS,
    maxBodyBytes: config.MAX_BODY_BYTES,
    bodies,
    logger,
    newRequestId: randomUUID,
    observe: (field, code, seconds) => app.metrics.observeOperation(field, code, seconds),
    answers,
    newContext: (...args) => new OperationContext(app, ...args),
  };
  await registerGraphQL(fastify, graphql);
  const subscriptions = attachSubscriptions(fastify.server, graphql);
  // Debugging logs every request, and a draining service tells its clients to leave: both are Fastify's.
  if (config.LOG_LEVEL !== 'debug')
    putBefore(fastify.server, fastRoad({ ...openInference, newRequestId: randomUUID }), () => !draining);
  app.registerMetrics(registry, subscriptions);

  try {
    await fastify.listen({ port: config.PORT, host: config.HOST });
  } catch (error) {
    await fastify.close();
    throw cannotListen(error as NodeJS.ErrnoException, config.HOST, config.PORT);
  }
  let grpc: GrpcServer;
  try {
    const services = openInferenceServices({ ...app, newRequestId: randomUUID, notReady, toHttpError });
    grpc = await startGrpc(services, {
      admit: admission({ ...app, toHttpError }),
      host: config.HOST,
      port: config.GRPC_PORT ?? (config.PORT === 0 ? 0 : DEFAULT_GRPC_PORT),
      maxMessageBytes: config.MAX_INFERENCE_BYTES,
      graceMs: config.SHUTDOWN_GRACE_MS,
    });
  } catch (error) {
    await fastify.close();
    throw error;
  }
  const address = fastify.server.address();
  const port = typeof address === 'object' && address ? address.port : config.PORT;
  const host = config.HOST === '0.0.0.0' || config.HOST === '::' ? '127.0.0.1' : config.HOST;
  return {
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    grpcAddress: grpc.address,
    close: async () => {
      draining = true;
      app.services.waiting.stop();
      await subscriptions.close();
      await Promise.all([grpc.close(), drain(fastify, config.SHUTDOWN_GRACE_MS)]);
    },
  };
}

/** Apollo copies the own properties of this object, so expensive and rarely needed values are on the prototype. */
class OperationContext implements RequestContext {
  readonly services: Services;
  private made: Loaders | undefined;

  constructor(
    private readonly app: AppContext,
    readonly principal: Principal,
    readonly requestId: string,
    readonly bytes: AnswerBytes | null,
    private readonly request: ClientRequest | undefined,
  ) {
    this.services = app.services;
  }

  get loaders(): Loaders {
    return (this.made ??= this.app.createLoaders((work) => this.run(work)));
  }

  isGone(): boolean {
    return this.request?.socket.destroyed ?? false;
  }

  get headers(): RequestHeaders {
    return this.request?.headers ?? {};
  }

  watchToken(onEnd: () => void): () => void {
    return this.app.tokens.watch(this.principal, onEnd);
  }

  run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const { principal, requestId, bytes } = this;
    const { db } = this.app;
    if (!bytes) return db.transact({ principal, requestId }, work);
    const onRow = (rowBytes: number) => bytes.addRead(rowBytes);
    return bytes.transact(() => db.transact({ principal, requestId, onRow }, work));
  }
}

/** Offers each request to `road` first, as long as `isOpen` says so. */
function putBefore(
  server: Server,
  road: (request: IncomingMessage, response: ServerResponse) => boolean,
  isOpen: () => boolean,
): void {
  const [ordinary] = server.listeners('request') as [RequestListener];
  server.removeListener('request', ordinary);
  server.on('request', (request, response) => {
    if (!isOpen() || !road(request, response)) ordinary(request, response);
  });
}

async function registerGraphiql(fastify: FastifyInstance): Promise<void> {
  if (!existsSync(GRAPHIQL_DIR)) return;
  await fastify.register(fastifyStatic, { root: GRAPHIQL_DIR, prefix: '/graphiql/', redirect: true });
  for (const path of ['/', '/graphiql']) fastify.get(path, (_request, reply) => reply.redirect('/graphiql/'));
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): AppError {
  const reason =
    error.code === 'EADDRINUSE'
      ? `Port ${port} on ${host} is in use. Stop what uses it, or choose another: PORT=8010 npm start ` +
        '(PORT=0 takes any free one).'
      : error.code === 'EACCES'
        ? `Port ${port} on ${host} needs more rights. Choose one above 1023: PORT=8000 npm start.`
        : `Cannot listen on ${host}:${port}: ${error.message}. Check HOST and PORT.`;
  return new AppError(ErrorCode.UNAVAILABLE, reason, { field: 'PORT' }, { cause: error });
}
