import { ErrorCode } from '../errors.js';

/** The HTTP status of an error outside GraphQL. */
export function httpStatus(code: ErrorCode): number {
  switch (code) {
    case ErrorCode.BAD_USER_INPUT:
    case ErrorCode.INVALID_TENSOR:
    case ErrorCode.INVALID_MODEL:
    case ErrorCode.INVALID_PATH:
    case ErrorCode.URL_NOT_ALLOWED:
    case ErrorCode.QUERY_TOO_COMPLEX:
      return 400;
    case ErrorCode.UNAUTHENTICATED:
      return 401;
    case ErrorCode.FORBIDDEN:
      return 403;
    case ErrorCode.NOT_FOUND:
      return 404;
    case ErrorCode.CONFLICT:
    case ErrorCode.GATE_NOT_PASSED:
      return 409;
    case ErrorCode.RESOURCE_EXHAUSTED:
      return 413;
    case ErrorCode.INTERNAL:
      return 500;
    case ErrorCode.UNAVAILABLE:
      return 503;
    case ErrorCode.DEADLINE_EXCEEDED:
      return 504;
  }
}
