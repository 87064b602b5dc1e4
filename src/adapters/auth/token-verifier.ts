import { createRemoteJWKSet, errors, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { isSubject, Role, TENANT, type Principal } from '../../modules/core/index.js';
import { AppError, ErrorCode, unauthenticated } from '../../errors.js';
import type { TokenVerifier } from './port.js';

/** The last second that a JavaScript Date can hold. */
const MAX_SECONDS = 8.64e12;

/** A token with values that cannot be stored or displayed is refused. */
const claimsSchema = z.object({
  sub: z.string().refine(isSubject),
  tenant: z.string().regex(TENANT),
  role: z.enum(Role),
  exp: z.number().positive().max(MAX_SECONDS),
});

export interface TokenOptions {
  issuer: string;
  audience: string;
}

export class SecretTokenVerifier implements TokenVerifier {
  private readonly key: Uint8Array;
  private readonly known = newKnownTokens();

  constructor(
    secret: string,
    private readonly options: TokenOptions,
  ) {
    this.key = new TextEncoder().encode(secret);
  }

  verify(token: string): Principal | Promise<Principal> {
    return verified(
      this.known,
      token,
      async () => (await jwtVerify(token, this.key, { ...this.options, algorithms: ['HS256'] })).payload,
    );
  }

  /** Issues a token with the own secret; the embedded mode prints one at the start. */
  issue(principal: { subject: string; tenant: string; role: Role }, lifetimeSeconds: number): Promise<string> {
    return new SignJWT({ tenant: principal.tenant, role: principal.role })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(principal.subject)
      .setIssuer(this.options.issuer)
      .setAudience(this.options.audience)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + lifetimeSeconds)
      .sign(this.key);
  }
}

export class JwksTokenVerifier implements TokenVerifier {
  private readonly keys: ReturnType<typeof createRemoteJWKSet>;
  private readonly known = newKnownTokens();

  constructor(
    url: string,
    private readonly options: TokenOptions,
  ) {
    this.keys = createRemoteJWKSet(new URL(url));
  }

  verify(token: string): Principal | Promise<Principal> {
    return verified(
      this.known,
      token,
      async () =>
        (
          await jwtVerify(token, this.keys, {
            ...this.options,
            algorithms: ['RS256', 'RS512', 'PS256', 'ES256', 'EdDSA'],
          })
        ).payload,
    );
  }
}

/**
 * Verified tokens are remembered for a minute, but not after they expire: a client sends the same token thousands of
 * times.
 */
const KNOWN_FOR_MS = 60_000;
const newKnownTokens = () => new LRUCache<string, { principal: Principal; until: number }>({ max: 1_000 });

type KnownTokens = ReturnType<typeof newKnownTokens>;

function verified(
  known: KnownTokens,
  token: string,
  decode: () => Promise<JWTPayload>,
): Principal | Promise<Principal> {
  const entry = known.get(token);
  return entry && entry.until > Date.now() ? entry.principal : verify(known, token, decode);
}

async function verify(known: KnownTokens, token: string, decode: () => Promise<JWTPayload>): Promise<Principal> {
  try {
    const claims = claimsSchema.parse(await decode());
    const principal = {
      subject: claims.sub,
      tenant: claims.tenant,
      role: claims.role,
      expiresAt: new Date(claims.exp * 1000),
    };
    known.set(token, { principal, until: Math.min(principal.expiresAt.getTime(), Date.now() + KNOWN_FOR_MS) });
    return principal;
  } catch (error) {
    if (error instanceof errors.JWKSTimeout || error instanceof TypeError) {
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        'The keys that tokens are verified with cannot be reached.',
        {},
        { cause: error },
      );
    }
    throw unauthenticated(error);
  }
}
