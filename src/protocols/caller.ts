import type { TokenVerifier } from '../adapters/auth/port.js';
import {
  bearerOf,
  includesRole,
  type Principal,
  type Role,
  requireScope,
  type TokenScope,
} from '../modules/core/index.js';
import { AppError, ErrorCode, unauthenticated } from '../errors.js';

export interface Need {
  /** The requested action, as it starts a sentence: `Uploading`. */
  what: string;
  role: Role;
  /** Scopes besides EVERYTHING; the caller checks what the scope is for. */
  scopes: readonly TokenScope['kind'][];
}

/** Who calls a plain HTTP route, once the token, its role and its scope are enough. */
export async function callerOf(
  tokens: TokenVerifier,
  authorization: unknown,
  { what, role, scopes }: Need,
): Promise<Principal> {
  const token = bearerOf(authorization);
  if (!token) throw unauthenticated();
  const principal = await tokens.verify(token);
  if (!includesRole(principal.role, role)) {
    throw new AppError(ErrorCode.FORBIDDEN, `${what} needs the role ${role}; this token has ${principal.role}.`, {
      expected: role,
      got: principal.role,
    });
  }
  requireScope(principal.scope, what, scopes);
  return principal;
}
