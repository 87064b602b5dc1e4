import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { isSubject, Role, TENANT, UUID } from '../../modules/core/index.js';
import { AppError, unauthenticated } from '../../errors.js';
import type { ServiceTokenClaims, ServiceTokenCodec, SigningKey } from './port.js';

const ALGORITHM = 'EdDSA';
const TYPE = 'matih+jwt';
/** A fixed name, not a setting: the settings name other issuers. */
const ISSUER = 'matih-ml-service';

/**
 * The beginning of each own token: its header, in this order, without the last character, which also depends on what
 * follows.
 */
const START = Buffer.from(`{"alg":"${ALGORITHM}","typ":"${TYPE}"`).toString('base64url').slice(0, -1);

const claimsSchema = z.object({
  jti: z.string().regex(UUID),
  sub: z.string().refine(isSubject),
  tenant: z.string().regex(TENANT),
  role: z.enum(Role),
  exp: z.number(),
});

/** Tokens of this service: JWTs signed with Ed25519, of a type that no other verifier here accepts. */
export const serviceTokens: ServiceTokenCodec = {
  isOwn: (token) => token.startsWith(START),

  async newKey() {
    const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
    return { id: randomUUID(), secret: JSON.stringify(await exportJWK(privateKey)) };
  },

  async sign(key, { tokenId, tenant, subject, role, expiresAt }) {
    return new SignJWT({ tenant, role })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: key.id })
      .setJti(tokenId)
      .setSubject(subject)
      .setIssuer(ISSUER)
      .setAudience(ISSUER)
      .setIssuedAt()
      .setExpirationTime(expiresAt)
      .sign(await importJWK(JSON.parse(key.secret) as JWK, ALGORITHM));
  },

  async read(token, keyOf): Promise<ServiceTokenClaims & { keyId: string }> {
    try {
      const options = { algorithms: [ALGORITHM], typ: TYPE, issuer: ISSUER, audience: ISSUER };
      const { payload, protectedHeader } = await jwtVerify(
        token,
        ({ kid }: { kid?: string }) => publicKey(kid, keyOf),
        options,
      );
      const { jti, sub, tenant, role, exp } = claimsSchema.parse(payload);
      return {
        tokenId: jti,
        tenant,
        subject: sub,
        role,
        expiresAt: new Date(exp * 1000),
        keyId: String(protectedHeader.kid),
      };
    } catch (error) {
      // The database with the keys may not answer.
      throw error instanceof AppError ? error : unauthenticated(error);
    }
  },
};

async function publicKey(id: string | undefined, keyOf: (id: string) => Promise<SigningKey | null>) {
  const key = id !== undefined && UUID.test(id) ? await keyOf(id) : null;
  if (!key) throw unauthenticated();
  const { d: _private, ...jwk } = JSON.parse(key.secret) as JWK;
  return importJWK(jwk, ALGORITHM);
}
