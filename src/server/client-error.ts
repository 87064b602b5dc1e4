import { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { AppError, ErrorCode } from '../errors.js';

/** GraphQL's own refusals (syntax, validation, coercion) and Apollo's, by the code that the client sees. */
const KNOWN_CODES: Record<string, ErrorCode> = {
  GRAPHQL_PARSE_FAILED: ErrorCode.BAD_USER_INPUT,
  GRAPHQL_VALIDATION_FAILED: ErrorCode.BAD_USER_INPUT,
  BAD_USER_INPUT: ErrorCode.BAD_USER_INPUT,
  BAD_REQUEST: ErrorCode.BAD_USER_INPUT,
  OPERATION_RESOLUTION_FAILURE: ErrorCode.BAD_USER_INPUT,
  PERSISTED_QUERY_NOT_SUPPORTED: ErrorCode.BAD_USER_INPUT,
  PERSISTED_QUERY_NOT_FOUND: ErrorCode.BAD_USER_INPUT,
};

const shown = new WeakSet<GraphQLError>();

/** The one error boundary: what a client may see of an error. Everything unknown is logged and masked. */
export function toClientError(error: unknown, logger: Logger, requestId: string): GraphQLError {
  if (error instanceof GraphQLError && shown.has(error)) return error;
  const client = describe(error, logger, requestId);
  shown.add(client);
  return client;
}

function describe(error: unknown, logger: Logger, requestId: string): GraphQLError {
  const graphqlError = error instanceof GraphQLError ? error : new GraphQLError(String(error), { originalError: error as Error });
  const original = findAppError(graphqlError);
  const place = { nodes: graphqlError.nodes, source: graphqlError.source, positions: graphqlError.positions, path: graphqlError.path };
  if (original) {
    return new GraphQLError(original.message, { ...place, extensions: { code: original.code, ...original.details, requestId } });
  }
  const { code, expected, got } = graphqlError.extensions;
  const known = KNOWN_CODES[String(code)] ?? (graphqlError.originalError ? undefined : ErrorCode.BAD_USER_INPUT);
  const coercion = graphqlError.originalError instanceof GraphQLError;
  if (known || coercion) {
    const message = graphqlError.message.replace(/\s*Did you mean .*$/s, (hint) => hint.slice(0, 200)).slice(0, 500);
    return new GraphQLError(message, { ...place, extensions: { code: known ?? ErrorCode.BAD_USER_INPUT, expected, got, requestId } });
  }
  logger.error({ err: graphqlError.originalError ?? graphqlError, path: graphqlError.path, requestId }, 'unexpected error');
  return new GraphQLError(`Something went wrong on our side. Quote request ${requestId} when you report it.`, {
    ...place,
    extensions: { code: ErrorCode.INTERNAL, requestId },
  });
}

function findAppError(error: unknown): AppError | null {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; depth++) {
    if (at instanceof AppError) return at;
    at = at instanceof GraphQLError ? at.originalError : at.cause;
  }
  return null;
}
