import { isVisible } from './names.js';
import type { TokenScope } from './token-scope.js';

/** What a token's bearer may do; each role includes the ones before it. */
export enum Role {
  VIEWER = 'VIEWER',
  ENGINEER = 'ENGINEER',
  ADMIN = 'ADMIN',
}

const RANK: Record<Role, number> = { [Role.VIEWER]: 0, [Role.ENGINEER]: 1, [Role.ADMIN]: 2 };

export function includesRole(held: Role, needed: Role): boolean {
  return RANK[held] >= RANK[needed];
}

/** How a tenant may be called. */
export const TENANT = /^[a-z0-9][a-z0-9-]{0,62}$/;

const MAX_SUBJECT_LENGTH = 200;

/** Whether a text can name who acts: it becomes part of rows and log lines. */
export function isSubject(text: string): boolean {
  return text.length > 0 && text.length <= MAX_SUBJECT_LENGTH && isVisible(text);
}

/** The token of an Authorization header; null for any other header. */
export function bearerOf(header: unknown): string | null {
  return (typeof header === 'string' && /^Bearer (\S+)$/i.exec(header)?.[1]) || null;
}

/** Who acts, as the verified token says. */
export interface Principal {
  subject: string;
  tenant: string;
  role: Role;
  /** When the token ends; subscriptions end with it. */
  expiresAt: Date;
  /** Of a token of the service's own, which can be revoked. */
  tokenId?: string;
  /** What such a token may be used for; absent: everything that the role may do. */
  scope?: TokenScope;
}
