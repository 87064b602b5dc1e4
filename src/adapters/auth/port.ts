import type { Principal } from '../../modules/core/index.js';

/** Verifies bearer tokens. Every rejection is the same UNAUTHENTICATED, so that it reveals nothing. */
export interface TokenVerifier {
  /** Without waiting when the token is known. */
  verify(token: string): Principal | Promise<Principal>;
}

/** A key that signs tokens of this service. */
export interface SigningKey {
  id: string;
  /** The private key as JSON (JWK). */
  secret: string;
}

/** The claims of a token that this service issued. Its database row has the rest. */
export interface ServiceTokenClaims {
  tokenId: string;
  tenant: string;
  subject: string;
  role: string;
  expiresAt: Date;
}

/** Writes and reads the tokens that this service issues. */
export interface ServiceTokenCodec {
  /** Whether a token claims to be of this service; no other verifier is then asked. */
  isOwn(token: string): boolean;
  newKey(): Promise<SigningKey>;
  sign(key: SigningKey, claims: ServiceTokenClaims): Promise<string>;
  /** Errors: UNAUTHENTICATED for any invalid token. `keyOf` returns null for an unknown key. */
  read(
    token: string,
    keyOf: (id: string) => Promise<SigningKey | null>,
  ): Promise<ServiceTokenClaims & { keyId: string }>;
}
