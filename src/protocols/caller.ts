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
  /** The requested action, as a sentence begins with it: `Uploading`. */
  what: string;
  role: Role;
  /** Scopes besides EVERYTHING. The caller of this function checks the object of the scope. */
  scopes: readonly TokenScope['kind'][];
}

/** The caller of a plain HTTP route, after its token, role and scope were checked. */
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
