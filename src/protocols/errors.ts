import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { AppError, ErrorCode } from '../errors.js';

/** An error as a client may see it. */
export interface ShownError {
  status: number;
  /** Null unless a retry may soon succeed. */
  retryAfterSeconds: number | null;
  body: { code: ErrorCode; message: string; [detail: string]: unknown };
}

export interface ErrorParts {
  logger: Logger;
  /** The parts of an error that a client may see. */
  toHttpError(error: unknown, requestId: string): ShownError;
}

/** What the client of this request may see of an error. One of the service's own is logged. */
export function shownError(
  { logger, toHttpError }: ErrorParts,
  error: unknown,
  { id }: Pick<FastifyRequest, 'id'>,
): ShownError {
  const shown = toHttpError(error, id);
  if (shown.status === 500) logger.error({ err: error, requestId: id }, 'request failed');
  return shown;
}

/** Services name fields below `input`, as in GraphQL; in other protocols the input is the body itself. */
export const withoutInputPrefix = (text: string) => text.replace(/^input\./, '');

/**
 * Answers the errors of a scope in the form of its protocol, also that of a path without an operation, which names the
 * path of the document that lists them.
 */
export function answerErrors(
  scope: FastifyInstance,
  parts: ErrorParts,
  { document, formOf }: { document: string; formOf: (body: ShownError['body']) => Record<string, unknown> },
): void {
  scope.setErrorHandler((error, request, reply) => {
    const { status, body, retryAfterSeconds } = shownError(parts, error, request);
    if (retryAfterSeconds !== null && !reply.hasHeader('retry-after')) reply.header('retry-after', retryAfterSeconds);
    return reply.code(status).send(formOf(body));
  });
  scope.setNotFoundHandler(({ method, url }) => {
    const path = url.split('?')[0];
    throw new AppError(ErrorCode.NOT_FOUND, `There is no ${method} ${path}; ${document} lists what there is.`);
  });
}
