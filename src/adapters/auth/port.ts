import type { Principal } from '../../modules/core/index.js';

/** Verifies bearer tokens; every rejection is the same UNAUTHENTICATED, so that it reveals nothing. */
export interface TokenVerifier {
  /** At once when the token is known. */
  verify(token: string): Principal | Promise<Principal>;
}

/** A key that signs tokens of the service's own. */
export interface SigningKey {
  id: string;
  /** The private key as JSON (JWK). */
  secret: string;
}

/** The claims of a token that this service issued. Its database row holds the rest. */
export interface OwnClaims {
  tokenId: string;
  tenant: string;
  subject: string;
  role: string;
  expiresAt: Date;
}

/** Writes and reads the tokens that the service itself issues. */
export interface OwnTokenCodec {
  /** Whether a token says of itself that it is one of ours; such a token is ours or nobody's. */
  isOwn(token: string): boolean;
  newKey(): Promise<SigningKey>;
  sign(key: SigningKey, claims: OwnClaims): Promise<string>;
  /** Errors: UNAUTHENTICATED for any invalid token. `keyOf` returns null for an unknown key. */
  read(token: string, keyOf: (id: string) => Promise<SigningKey | null>): Promise<OwnClaims & { keyId: string }>;
}
