import { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { AppError, ErrorCode, type ErrorDetails } from '../errors.js';

/** Refusals of GraphQL (syntax, validation, coercion) and of Apollo, by the code that the client sees. */
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

/**
 * The only place that decides what a client may see of an error. Unknown errors are logged, and their messages are not
 * shown.
 */
export function toClientError(error: unknown, logger: Logger, requestId: string): GraphQLError {
  if (error instanceof GraphQLError && shown.has(error)) return error;
  const client = describe(error, logger, requestId);
  shown.add(client);
  return client;
}

function describe(error: unknown, logger: Logger, requestId: string): GraphQLError {
  const graphqlError =
    error instanceof GraphQLError ? error : new GraphQLError(String(error), { originalError: error as Error });
  const original = findAppError(graphqlError);
  const place = {
    nodes: graphqlError.nodes,
    source: graphqlError.source,
    positions: graphqlError.positions,
    path: graphqlError.path,
  };
  if (original) {
    const { message, details } = shownParts(original);
    return new GraphQLError(message, { ...place, extensions: { code: original.code, ...details, requestId } });
  }
  const { code, ...given } = graphqlError.extensions;
  if (isTooDeepToRead(graphqlError)) {
    return new GraphQLError('This document is nested too deep to be read.', {
      ...place,
      extensions: { code: ErrorCode.QUERY_TOO_COMPLEX, requestId },
    });
  }
  const known = KNOWN_CODES[String(code)] ?? (graphqlError.originalError ? undefined : ErrorCode.BAD_USER_INPUT);
  const coercion = graphqlError.originalError instanceof GraphQLError;
  if (known || coercion) {
    const { message, ...details } = readCoercion(graphqlError.message);
    const { expected, got } = { ...details, ...given };
    return new GraphQLError(message, {
      ...place,
      extensions: { code: known ?? ErrorCode.BAD_USER_INPUT, field: details.field, expected, got, requestId },
    });
  }
  if (isRace(graphqlError)) {
    const message =
      'What this change depends on was made or removed by another request at the same moment: look again, ' +
      'then repeat it.';
    return new GraphQLError(message, { ...place, extensions: { code: ErrorCode.CONFLICT, requestId } });
  }
  logger.error(
    { err: graphqlError.originalError ?? graphqlError, path: graphqlError.path, requestId },
    'unexpected error',
  );
  return new GraphQLError(`Something went wrong on our side. Quote request ${requestId} when you report it.`, {
    ...place,
    extensions: { code: ErrorCode.INTERNAL, requestId },
  });
}

const STACK_OVERFLOW = 'Maximum call stack size exceeded';

/**
 * The parser and the validation of a document recurse once per level, and their errors have no path; an execution has
 * one. Other range errors are about sizes.
 */
function isTooDeepToRead({ originalError, message, path }: GraphQLError): boolean {
  return path === undefined && (message.endsWith(STACK_OVERFLOW) || originalError?.message === STACK_OVERFLOW);
}

/**
 * The parts of an AppError that a client may see: one line, not much longer than the service's own text, whatever a
 * client sent.
 */
export function shownParts({ message, details }: AppError): { message: string; details: ErrorDetails } {
  const entries = Object.entries(details).map(([name, value]) => [
    name,
    typeof value === 'string' ? shorten(value) : value,
  ]);
  return { message: shorten(message), details: Object.fromEntries(entries) as ErrorDetails };
}

const SHOWN_LENGTH = 500;
const SHOWN_VALUE_LENGTH = 120;

function shorten(text: string, length = SHOWN_LENGTH): string {
  const line = text
    .slice(0, length)
    .replace(/\p{Cc}+/gu, ' ')
    .toWellFormed();
  return text.length > length ? `${line}…` : line;
}

const WRONG_VALUE = /^Variable "\$(\w+)" got invalid value ([^]*?)(?: at "([^"]{1,500})")?; ([^]*)$/;
const NO_VALUE = /^Variable "\$(\w+)" of (?:required|non-null) type "([^"]*)"/;

/** graphql-js names the wrong variable only in its message, after the whole value. */
function readCoercion(text: string): { message: string; field?: string; expected?: string; got?: string } {
  const [, variable, value = '', path, reason = ''] = WRONG_VALUE.exec(text) ?? [];
  if (variable !== undefined) {
    const field = path ?? variable;
    const got = shorten(value, SHOWN_VALUE_LENGTH);
    const expected = shorten(reason);
    return {
      message: `Variable "$${variable}" got invalid value ${got} at "${field}"; ${expected}`,
      field,
      expected,
      got,
    };
  }
  const [, missing, type] = NO_VALUE.exec(text) ?? [];
  return { message: shorten(text), ...(missing !== undefined && { field: missing, expected: type, got: 'nothing' }) };
}

function findAppError(error: unknown): AppError | null {
  return causesOf(error).find((cause) => cause instanceof AppError) ?? null;
}

/**
 * PostgreSQL's unique and foreign keys, which come after the checks of the services: two requests collided between such
 * a check and its write.
 */
const RACE_STATES = ['23505', '23503'];

function isRace(error: unknown): boolean {
  return causesOf(error).some((cause) => RACE_STATES.includes(String((cause as { code?: unknown }).code)));
}

function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let at: unknown = error; at instanceof Error && causes.length < 5;) {
    causes.push(at);
    at = at instanceof GraphQLError ? at.originalError : at.cause;
  }
  return causes;
}
