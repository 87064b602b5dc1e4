import type { Readable } from 'node:stream';
import { AppError, ErrorCode } from '../../errors.js';

/** The caller's credentials: a token is used in preference to a user name. */
export interface MlflowCredentials {
  token?: string | null;
  username?: string | null;
  password?: string | null;
}

export type MlflowMethod = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** Another tracking server that speaks MLflow's REST protocol. */
export interface MlflowServer {
  /**
   * The response to a request below /api/2.0/; a GET sends `given` as its query. Retried while the server is busy or
   * down. Errors: MlflowRefusal when the server refuses the request, UNAVAILABLE without a usable response,
   * URL_NOT_ALLOWED.
   */
  ask(method: MlflowMethod, path: string, given: Record<string, unknown>): Promise<unknown>;
  /** The bytes at a path of the server. Errors are those of `ask`. */
  download(path: string, query?: Record<string, string>): Promise<Readable>;
  /** Aborts all open requests. */
  close(): void;
}

export type ConnectMlflow = (trackingUri: string, credentials: MlflowCredentials, signal: AbortSignal) => MlflowServer;

/** The server refused the request. */
export class MlflowRefusal extends AppError {
  constructor(
    readonly status: number,
    /** MLflow's names: RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE, … */
    readonly errorCode: string,
    message: string,
  ) {
    super(codeOf(status), message);
    this.name = 'MlflowRefusal';
  }
}

/** A server that is busy or failing may answer later; any other refusal is final. */
function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return ErrorCode.FORBIDDEN;
  return status >= 500 || status === 429 || status === 408 ? ErrorCode.UNAVAILABLE : ErrorCode.BAD_USER_INPUT;
}
