import { bearerOf } from '../../modules/core/index.js';

/**
 * The token in an Authorization header: `Bearer <token>`, or `Basic` with the token as the password and any user name.
 */
export function tokenOf(header: unknown): string | null {
  const [, basic] = (typeof header === 'string' && /^Basic ([A-Za-z0-9+/=_-]+)$/i.exec(header)) || [];
  if (basic === undefined) return bearerOf(header);
  const pair = Buffer.from(basic, 'base64').toString();
  const colon = pair.indexOf(':');
  return colon < 0 ? null : pair.slice(colon + 1) || null;
}
