/** Every kind of failure of a request, as the client sees it in `extensions.code`. */
export enum ErrorCode {
  BAD_USER_INPUT = 'BAD_USER_INPUT',
  INVALID_TENSOR = 'INVALID_TENSOR',
  INVALID_MODEL = 'INVALID_MODEL',
  INVALID_PATH = 'INVALID_PATH',
  URL_NOT_ALLOWED = 'URL_NOT_ALLOWED',
  UNAUTHENTICATED = 'UNAUTHENTICATED',
  FORBIDDEN = 'FORBIDDEN',
  NOT_FOUND = 'NOT_FOUND',
  CONFLICT = 'CONFLICT',
  GATE_NOT_PASSED = 'GATE_NOT_PASSED',
  QUERY_TOO_COMPLEX = 'QUERY_TOO_COMPLEX',
  DEADLINE_EXCEEDED = 'DEADLINE_EXCEEDED',
  RESOURCE_EXHAUSTED = 'RESOURCE_EXHAUSTED',
  UNAVAILABLE = 'UNAVAILABLE',
  INTERNAL = 'INTERNAL',
}

export interface ErrorDetails {
  /** The path of the wrong input, e.g. `input.config.features[2]`. */
  field?: string;
  /** What would be accepted. */
  expected?: string;
  /** What was given, shortened. */
  got?: string;
  [key: string]: unknown;
}

/**
 * The only error that services, rules and adapters throw on purpose. Any other error is a bug, and its message is not
 * shown to clients.
 */
export class AppError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'AppError';
  }
}

const SHOWN_LENGTH = 120;

/** A value as an error may quote it: JSON, one line, at most 120 characters. */
export function quote(value: unknown): string {
  let text: string | undefined;
  try {
    text = typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
  } catch {
    // Nested too deep even for String.
    text = typeof value === 'object' ? 'an object' : String(value);
  }
  // What is absent is not undefined to a client.
  text = text ?? (value === undefined ? 'nothing' : String(value));
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}

/** The error for an invalid value of `field`. */
export function badInput(field: string, expected: string, got: unknown): AppError {
  const shown = quote(got);
  return new AppError(ErrorCode.BAD_USER_INPUT, `${field}: expected ${expected}, got ${shown}.`, {
    field,
    expected,
    got: shown,
  });
}

/** Ids that do not exist and ids of other tenants give this same error. */
export function notFound(kind: string, id: string): AppError {
  return new AppError(ErrorCode.NOT_FOUND, `No ${kind} with id ${quote(id)}.`, { got: quote(id) });
}

/** The error when the tenant has nothing with this name. */
export function notFoundByName(kind: string, name: string): AppError {
  return new AppError(ErrorCode.NOT_FOUND, `No ${kind} named ${quote(name)}.`, { got: quote(name) });
}

export function conflict(message: string, details: ErrorDetails = {}): AppError {
  return new AppError(ErrorCode.CONFLICT, message, details);
}

/** The same for every rejected token, so that it reveals nothing. */
export function unauthenticated(cause?: unknown): AppError {
  return new AppError(
    ErrorCode.UNAUTHENTICATED,
    'A valid bearer token is needed: send the header "Authorization: Bearer <token>".',
    {},
    { cause },
  );
}

/** The error codes of the operating system and PostgreSQL for a full disk or quota. */
const DISK_FULL = ['ENOSPC', 'EDQUOT', '53100'];

/** UNAVAILABLE with its own sentence when a write failed because a disk is full; undefined for any other error. */
export function diskFull(error: unknown): AppError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; depth++) {
    const { code, cause } = at as Error & { code?: unknown };
    if (typeof code === 'string' && DISK_FULL.includes(code)) {
      const message = 'The disk is full, so nothing can be written: ask who runs the service to free space on it.';
      return new AppError(ErrorCode.UNAVAILABLE, message, {}, { cause: error });
    }
    at = cause;
  }
  return undefined;
}
