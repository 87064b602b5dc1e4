import type { Readable } from 'node:stream';
import { AppError, ErrorCode } from '../../errors.js';

/** Who calls: a token wins over a user name. */
export interface MlflowCredentials {
  token?: string | null;
  username?: string | null;
  password?: string | null;
}

export type MlflowMethod = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** Another tracking server that speaks MLflow's REST protocol. */
export interface MlflowServer {
  /**
   * What it answers to a request below /api/2.0/; a GET takes `given` as its query. Tried again while the server is
   * busy or away. Errors: MlflowRefusal when it refuses, UNAVAILABLE when there is no usable answer, URL_NOT_ALLOWED.
   */
  ask(method: MlflowMethod, path: string, given: Record<string, unknown>): Promise<unknown>;
  /** The bytes at a path of the server. Errors as of `ask`. */
  download(path: string, query?: Record<string, string>): Promise<Readable>;
  /** Ends whatever is under way. */
  close(): void;
}

export type ConnectMlflow = (trackingUri: string, credentials: MlflowCredentials, signal: AbortSignal) => MlflowServer;

/** The server understood and said no. */
export class MlflowRefusal extends AppError {
  constructor(
    readonly status: number,
    /** As MLflow writes them: RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE, … */
    readonly errorCode: string,
    message: string,
  ) {
    super(codeOf(status), message);
    this.name = 'MlflowRefusal';
  }
}

/** A server that is busy or ill may answer later; whatever else it refuses, it will refuse again. */
function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return ErrorCode.FORBIDDEN;
  return status >= 500 || status === 429 || status === 408 ? ErrorCode.UNAVAILABLE : ErrorCode.BAD_USER_INPUT;
}
