import {
  Metadata,
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { TokenVerifier } from '../../adapters/auth/port.js';
import type { Database } from '../../db/database.js';
import { ErrorCode, unauthenticated } from '../../errors.js';
import { bearerOf, type Principal } from '../../modules/core/index.js';
import type { RequestHeaders } from '../../modules/serving/index.js';
import type { Services } from '../../services.js';
import { callerOf, type Need } from '../caller.js';
import { withoutInputPrefix, type ErrorParts } from '../errors.js';
import { plainParameters, readInferRequest, toInferResponse } from './grpc-messages.js';
import type { InferRequest, InferResponse, ParameterMap } from './grpc-messages.js';
import { infer } from './infer-call.js';
import { describedTarget, modelConfig, modelMetadata, SERVER, versionNumber } from './metadata.js';
import { serviceDefinitions } from './protobuf.js';
import { CHANGE_MODELS, INFER, LIST_MODELS, READ_MODEL } from './needs.js';
import { toIndexEntry, toStatistics, wantedVersions } from './repository.js';

export interface GrpcParts extends ErrorParts {
  tokens: TokenVerifier;
  db: Database;
  services: Services;
  newRequestId(): string;
  notReady(): Promise<string[]>;
}

/** A service of a gRPC server. */
export interface GrpcService {
  definition: ServiceDefinition;
  implementation: UntypedServiceImplementation;
}

const CODES: Record<ErrorCode, status> = {
  BAD_USER_INPUT: status.INVALID_ARGUMENT,
  INVALID_TENSOR: status.INVALID_ARGUMENT,
  INVALID_MODEL: status.FAILED_PRECONDITION,
  INVALID_PATH: status.INVALID_ARGUMENT,
  URL_NOT_ALLOWED: status.INVALID_ARGUMENT,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  FORBIDDEN: status.PERMISSION_DENIED,
  NOT_FOUND: status.NOT_FOUND,
  CONFLICT: status.FAILED_PRECONDITION,
  GATE_NOT_PASSED: status.FAILED_PRECONDITION,
  QUERY_TOO_COMPLEX: status.RESOURCE_EXHAUSTED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  UNAVAILABLE: status.UNAVAILABLE,
  INTERNAL: status.INTERNAL,
};
/** Requests of one stream that are worked on at the same time, each of the largest size at most. */
const MAX_STREAMED = 16;
const LOWEST_DEADLINE_MS = 1;

interface NamedModel {
  name: string;
  version: string;
}

interface ModelToChange {
  model_name: string;
  parameters: ParameterMap;
}

type Call = Pick<ServerUnaryCall<object, object>, 'metadata' | 'cancelled' | 'getDeadline'>;

/** The end of a call that is refused. */
export type Refusal = Pick<ServiceError, 'code' | 'details' | 'metadata'>;
type Refuse = (error: unknown) => Refusal;

/** An error as a client sees it. */
function refusalOf({ toHttpError, logger }: ErrorParts): Refuse {
  return (error) => {
    const { body } = toHttpError(error, '');
    if (body.code === ErrorCode.INTERNAL) logger.error({ err: error }, 'gRPC call failed');
    return { code: CODES[body.code], details: withoutInputPrefix(body.message), metadata: new Metadata() };
  };
}

/** Calls that need no token. */
const OPEN = /\/Server(Live|Ready|Metadata)$/;

/** Whether the messages of a call are read: only those of a caller with a valid token, except for small, open calls. */
export function admission(parts: ErrorParts & Pick<GrpcParts, 'tokens'>) {
  const refusal = refusalOf(parts);
  return (path: string, metadata: Metadata): Refusal | null | Promise<Refusal | null> => {
    if (OPEN.test(path)) return null;
    const token = bearerOf(metadata.get('authorization')[0]);
    if (!token) return refusal(unauthenticated());
    const verified = parts.tokens.verify(token);
    return verified instanceof Promise ? verified.then(() => null, refusal) : null;
  };
}

/** The Open Inference Protocol over gRPC, and the model repository under both of its names. */
export function openInferenceServices(parts: GrpcParts): GrpcService[] {
  const { db, services, tokens } = parts;
  const { predictions, modelRepository } = services;

  const refusal = refusalOf(parts);
  const callerFor = (call: Call, need: Need): Promise<Principal> =>
    callerOf(tokens, call.metadata.get('authorization')[0], need);
  const actorFor = async (call: Call, need: Need) => ({
    principal: await callerFor(call, need),
    requestId: parts.newRequestId(),
    isGone: () => call.cancelled,
  });
  const routeOf = async (call: Call, { name, version }: NamedModel) => ({
    route: await predictions.describe(await callerFor(call, READ_MODEL), name),
    version: versionNumber(version),
  });
  const unary =
    <Request, Answer>(handle: (call: ServerUnaryCall<Request, Answer>) => Promise<Answer> | Answer) =>
    async (call: ServerUnaryCall<Request, Answer>, answer: sendUnaryData<Answer>): Promise<void> => {
      try {
        answer(null, await handle(call));
      } catch (error) {
        answer(refusal(error));
      }
    };
  const modelInfer = async (call: Call, principal: Principal, request: InferRequest): Promise<InferResponse> => {
    const read = readInferRequest(request);
    const deadlineMs = earliest(read.deadlineMs, call.getDeadline());
    const headers = call.metadata.getMap() as RequestHeaders;
    const answer = await infer(predictions, principal, { ...read, deadlineMs }, parts.newRequestId(), headers);
    return toInferResponse(read, answer);
  };

  const repository = {
    RepositoryIndex: unary<{ ready: boolean }, object>(async (call) => {
      const actor = await actorFor(call, LIST_MODELS);
      const entries = await db.transact(actor, (session) => modelRepository.index(session));
      return { models: entries.filter(({ state }) => !call.request.ready || state === 'READY').map(toIndexEntry) };
    }),
    RepositoryModelLoad: unary<ModelToChange, object>(async (call) => {
      const { model_name: name, parameters } = call.request;
      await modelRepository.load(
        await actorFor(call, CHANGE_MODELS),
        name,
        wantedVersions(plainParameters(parameters)),
      );
      return {};
    }),
    RepositoryModelUnload: unary<ModelToChange, object>(async (call) => {
      const { model_name: name, parameters } = call.request;
      const versions = wantedVersions(plainParameters(parameters));
      const actor = await actorFor(call, CHANGE_MODELS);
      await db.transact(actor, (session) => modelRepository.unload(session, name, versions));
      return {};
    }),
  };

  const inference = {
    ServerLive: unary(() => ({ live: true })),
    ServerReady: unary(async () => ({ ready: (await parts.notReady()).length === 0 })),
    ServerMetadata: unary(() => SERVER),
    ModelReady: unary<NamedModel, object>(async (call) => {
      const { route, version } = await routeOf(call, call.request);
      describedTarget(route, version);
      return { ready: true };
    }),
    ModelMetadata: unary<NamedModel, object>(async (call) => {
      const { route, version } = await routeOf(call, call.request);
      return modelMetadata(route, version);
    }),
    ModelConfig: unary<NamedModel, object>(async (call) => {
      const { route, version } = await routeOf(call, call.request);
      return { config: modelConfig(route, version) };
    }),
    ModelStatistics: unary<NamedModel, object>(async (call) => {
      const { name, version } = call.request;
      const actor = await actorFor(call, name ? READ_MODEL : LIST_MODELS);
      const found = await db.transact(actor, (session) =>
        modelRepository.statistics(session, name || null, name ? versionNumber(version) : null),
      );
      return { model_stats: found.map(toStatistics) };
    }),
    ModelInfer: unary<InferRequest, InferResponse>(async (call) =>
      modelInfer(call, await callerFor(call, INFER), call.request),
    ),
    ModelStreamInfer: (stream: ServerDuplexStream<InferRequest, object>): void => {
      answerStream(stream, {
        open: () => callerFor(stream, INFER),
        answer: (principal, request) => modelInfer(stream, principal, request),
        refusal,
      });
    },
    ...repository,
  };
  const definitions = serviceDefinitions();
  return [
    { definition: definitions.inference, implementation: inference },
    { definition: definitions.repository, implementation: repository },
  ];
}

interface StreamParts {
  open(): Promise<Principal>;
  answer(principal: Principal, request: InferRequest): Promise<InferResponse>;
  refusal: Refuse;
}

/**
 * Answers each request of a stream in the order of the requests; a wrong one gets its error as a message, and the
 * stream goes on. No more than MAX_STREAMED are read ahead.
 */
function answerStream(stream: ServerDuplexStream<InferRequest, object>, { open, answer, refusal }: StreamParts): void {
  // A refused caller gets the error once, as the end of the stream.
  const end = (error: unknown): null => {
    const refused = refusal(error);
    // As grpc-js wants it: destroying the stream would send no status.
    if (!stream.writableEnded) stream.emit('error', Object.assign(new Error(refused.details), refused));
    return null;
  };
  void open().catch(end);
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();
  stream.on('data', (request: InferRequest) => {
    if (++waiting >= MAX_STREAMED) stream.pause();
    const answerOf = async (principal: Principal) =>
      answer(principal, request).then(
        (response) => ({ infer_response: response }),
        (error: unknown) => ({
          error_message: refusal(error).details,
          infer_response: { id: request.id, model_name: request.model_name },
        }),
      );
    // A stream may live longer than its token.
    const answered = open().then(answerOf, end);
    last = last.then(async () => {
      const message = await answered;
      if (message === null || stream.cancelled || stream.writableEnded) return;
      if (!stream.write(message)) await drained(stream);
      waiting--;
      if (waiting < MAX_STREAMED) stream.resume();
    });
  });
  stream.on('end', () => void last.then(() => stream.end()));
  stream.on('error', () => undefined);
}

function drained(stream: ServerDuplexStream<InferRequest, object>): Promise<void> {
  return new Promise((resolve) => {
    stream.once('drain', resolve);
    stream.once('cancelled', resolve);
    stream.once('close', resolve);
  });
}

/** The shorter of the time that the request gives and that until the deadline of the call. */
function earliest(deadlineMs: number | null, deadline: Date | number): number | null {
  const left = Number(deadline) - Date.now();
  if (!Number.isFinite(left)) return deadlineMs;
  return Math.max(LOWEST_DEADLINE_MS, Math.min(deadlineMs ?? Infinity, left));
}
