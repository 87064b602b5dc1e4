import { AppError, ErrorCode } from '../../errors.js';

/** The error codes of MLflow's protocol that this service uses, and their HTTP statuses. */
const HTTP_STATUS = {
  BAD_REQUEST: 400,
  INVALID_PARAMETER_VALUE: 400,
  RESOURCE_ALREADY_EXISTS: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  RESOURCE_DOES_NOT_EXIST: 404,
  ENDPOINT_NOT_FOUND: 404,
  INTERNAL_ERROR: 500,
  TEMPORARILY_UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
} as const;

interface ErrorClass {
  sqlstate: string;
  error_class: string;
}

/**
 * The further parts of an error that clients of MLflow 3.17 show: its SQLSTATE and its class, as far as MLflow's server
 * gives them.
 */
const CLASSES: Partial<Record<MlflowErrorCode, ErrorClass>> = {
  BAD_REQUEST: { sqlstate: 'KAM00', error_class: 'INVALID_PARAMETER_VALUE' },
  INVALID_PARAMETER_VALUE: { sqlstate: 'KAM00', error_class: 'INVALID_PARAMETER_VALUE' },
  RESOURCE_ALREADY_EXISTS: { sqlstate: 'KAM00', error_class: 'RESOURCE_ALREADY_EXISTS' },
  PERMISSION_DENIED: { sqlstate: 'KAM00', error_class: 'PERMISSION_DENIED' },
  RESOURCE_DOES_NOT_EXIST: { sqlstate: 'KAM00', error_class: 'RESOURCE_NOT_FOUND' },
  ENDPOINT_NOT_FOUND: { sqlstate: 'KAM00', error_class: 'RESOURCE_NOT_FOUND' },
  INTERNAL_ERROR: { sqlstate: 'XXM00', error_class: 'CLIENT_INTERNAL_ERROR' },
  TEMPORARILY_UNAVAILABLE: { sqlstate: 'XXM00', error_class: 'CLIENT_INTERNAL_ERROR' },
};

/** The error for an order by an attribute that does not exist. */
const UNKNOWN_ATTRIBUTE: ErrorClass = { sqlstate: 'KAM04', error_class: 'ATTRIBUTE_NOT_FOUND' };

const MAX_MESSAGE_LENGTH = 2_500;

/** A message may quote what a client sent, cut to a readable length. */
const shorten = (message: string) =>
  message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH).toWellFormed()}…` : message;

export type MlflowErrorCode = keyof typeof HTTP_STATUS;

/** A refusal with the message of MLflow's own server, when its clients know that message. */
export class MlflowError extends Error {
  constructor(
    readonly code: MlflowErrorCode,
    message: string,
    /** When absent: the class of the code. */
    private readonly errorClass?: ErrorClass,
  ) {
    super(message);
    this.name = 'MlflowError';
  }

  get status(): number {
    return HTTP_STATUS[this.code];
  }

  /** The body of the answer. */
  toJson(): object {
    return { error_code: this.code, message: shorten(this.message), ...(this.errorClass ?? CLASSES[this.code]) };
  }
}

export const invalidParameter = (message: string) => new MlflowError('INVALID_PARAMETER_VALUE', message);
export const doesNotExist = (message: string) => new MlflowError('RESOURCE_DOES_NOT_EXIST', message);

/**
 * MLflow's codes for the errors of this service. Clients repeat 429 and 5xx for minutes, so a mistake of a client never
 * gets one of these.
 */
function codeOf(code: ErrorCode): MlflowErrorCode {
  switch (code) {
    case ErrorCode.BAD_USER_INPUT:
    case ErrorCode.INVALID_TENSOR:
    case ErrorCode.INVALID_MODEL:
    case ErrorCode.INVALID_PATH:
    case ErrorCode.URL_NOT_ALLOWED:
    case ErrorCode.QUERY_TOO_COMPLEX:
    case ErrorCode.GATE_NOT_PASSED:
    case ErrorCode.RESOURCE_EXHAUSTED:
    // When a name is taken, the endpoint itself answers RESOURCE_ALREADY_EXISTS.
    case ErrorCode.CONFLICT:
      return 'INVALID_PARAMETER_VALUE';
    case ErrorCode.UNAUTHENTICATED:
      return 'UNAUTHENTICATED';
    case ErrorCode.FORBIDDEN:
      return 'PERMISSION_DENIED';
    case ErrorCode.NOT_FOUND:
      return 'RESOURCE_DOES_NOT_EXIST';
    case ErrorCode.INTERNAL:
      return 'INTERNAL_ERROR';
    case ErrorCode.UNAVAILABLE:
      return 'TEMPORARILY_UNAVAILABLE';
    case ErrorCode.DEADLINE_EXCEEDED:
      return 'DEADLINE_EXCEEDED';
  }
}

export const WRONG_CONTENT_TYPE = "Bad Request. Content-Type must be one of ['application/json'].";

/**
 * PostgreSQL's unique and foreign keys, which come after the checks of the services: two requests collided between such
 * a check and its write.
 */
const RACES: Record<string, MlflowErrorCode> = {
  '23505': 'RESOURCE_ALREADY_EXISTS',
  '23503': 'RESOURCE_DOES_NOT_EXIST',
  // A deadlock: clients retry.
  '40P01': 'TEMPORARILY_UNAVAILABLE',
};

/** Any error in the form of MLflow's protocol; null for a fault of this service. */
export function toMlflowError(error: unknown): MlflowError | null {
  if (error instanceof MlflowError) return error;
  if (error instanceof AppError) {
    const errorClass = error.details['attribute'] === undefined ? undefined : UNKNOWN_ATTRIBUTE;
    return new MlflowError(codeOf(error.code), error.message, errorClass);
  }
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
  const race = code === undefined ? undefined : RACES[code];
  if (race)
    return new MlflowError(race, 'What this request depends on was made or removed by another one at the same moment.');
  // Fastify's own refusals: a body that is too large or incomplete.
  if (statusCode === 415) return invalidParameter(WRONG_CONTENT_TYPE);
  if (statusCode !== undefined && statusCode < 500) return invalidParameter(message ?? 'The request cannot be read.');
  return null;
}

/** For `catch`: replaces an error with this code by another one. */
export const instead =
  (code: ErrorCode, tell: (error: AppError) => Error) =>
  (error: unknown): never => {
    throw error instanceof AppError && error.code === code ? tell(error) : error;
  };

export const whenAbsent = (absent: () => Error) => instead(ErrorCode.NOT_FOUND, absent);

/** A refusal because of a state is an invalid parameter in MLflow's protocol. */
export const refusedState = instead(ErrorCode.CONFLICT, ({ message }) => invalidParameter(message));

export const whenTaken = (tell: (error: AppError) => string) =>
  instead(ErrorCode.CONFLICT, (error) => new MlflowError('RESOURCE_ALREADY_EXISTS', tell(error)));
