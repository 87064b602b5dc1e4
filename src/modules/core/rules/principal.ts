import { isVisible } from './names.js';
import type { TokenScope } from './token-scope.js';

/** The rights of a token. Each role includes the rights of the ones before it. */
export enum Role {
  VIEWER = 'VIEWER',
  ENGINEER = 'ENGINEER',
  ADMIN = 'ADMIN',
}

const RANK: Record<Role, number> = { [Role.VIEWER]: 0, [Role.ENGINEER]: 1, [Role.ADMIN]: 2 };

export function includesRole(held: Role, needed: Role): boolean {
  return RANK[held] >= RANK[needed];
}

/** The pattern of a tenant's name. */
export const TENANT = /^[a-z0-9][a-z0-9-]{0,62}$/;

const MAX_SUBJECT_LENGTH = 200;

/** Whether a text can be the name of an actor: it becomes a part of rows and log lines. */
export function isSubject(text: string): boolean {
  return text.length > 0 && text.length <= MAX_SUBJECT_LENGTH && isVisible(text);
}

/** The token in an Authorization header; null for any other header. */
export function bearerOf(header: unknown): string | null {
  return (typeof header === 'string' && /^Bearer (\S+)$/i.exec(header)?.[1]) || null;
}

/** The actor, as the verified token says. */
export interface Principal {
  subject: string;
  tenant: string;
  role: Role;
  /** When the token expires; subscriptions end with it. */
  expiresAt: Date;
  /** Set for tokens that this service issued, which can be revoked. */
  tokenId?: string;
  /** Limits of such a token; when absent, it may do everything that its role allows. */
  scope?: TokenScope;
}
