import type { FilterQuery } from '@mikro-orm/core';
import { LockMode } from '@mikro-orm/core';
import type { ServiceTokenCodec } from '../../adapters/auth/port.js';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { AccessToken } from '../../db/entities/platform/access-token.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { includesRole, Role, type TokenScope, NAME, checkRange, type InputRange } from '../core/index.js';
import { AppError, badInput, conflict, ErrorCode, notFound, quote } from '../../errors.js';
import { requireOwn } from './ownership.js';
import { subjectOf, TOKENS_CHANGED } from './known-tokens.js';
import { containsText } from './search.js';
import type { SigningKeys } from './signing-keys.js';
import { audit, takeTenantLock } from './use-case.js';

export interface NewAccessToken {
  name: string;
  role: Role;
  scope: TokenScope['kind'];
  /** Set for the scope PREDICT only. */
  endpointNames?: readonly string[] | null;
  /** Set for the scope WRITE_RUN only. */
  runId?: string | null;
  lifeSeconds?: number | null;
}

export interface AccessTokenFilter {
  search?: string | null;
  role?: Role | null;
  scope?: TokenScope['kind'] | null;
  /** True for tokens that are neither revoked nor expired. */
  active?: boolean | null;
}

/** A new token, and what is stored about it. The token is shown only here. */
export interface IssuedToken {
  token: string;
  accessToken: AccessToken;
}

export const TOKEN_NAME: InputRange = { ...NAME, max: 128 };
const DEFAULT_LIFE_SECONDS = 90 * 24 * 60 * 60;
export const MIN_LIFE_SECONDS = 60;
export const MAX_LIFE_SECONDS = 10 * 366 * 24 * 60 * 60;
export const TOKEN_ENDPOINTS = { min: 1, max: 100, unit: 'names of endpoints' } satisfies InputRange;
/** Limit per tenant: every process reads the active tokens every two seconds. */
const MAX_ACTIVE = 1_000;

/** Tokens that the service issues itself, with role, lifetime and scope. */
export class AccessTokenService {
  constructor(
    private readonly db: Database,
    private readonly live: Pick<LiveEvents, 'publish'>,
    private readonly keys: SigningKeys,
    private readonly codec: ServiceTokenCodec,
  ) {}

  async issue(actor: Actor, input: NewAccessToken): Promise<IssuedToken> {
    const name = checkTokenName(input.name);
    const lifeSeconds = input.lifeSeconds ?? DEFAULT_LIFE_SECONDS;
    const { role } = input;
    if (!includesRole(actor.principal.role, role)) {
      throw new AppError(
        ErrorCode.FORBIDDEN,
        `A token with the role ${actor.principal.role} cannot issue one with the role ${role}.`,
        {
          field: 'input.role',
          expected: `at most ${actor.principal.role}`,
          got: role,
        },
      );
    }
    checkScope(input);
    // In its own transaction, because the transaction of a request cannot read a key.
    const key = await this.keys.newest();
    const accessToken = await this.db.transact(actor, async (session) => {
      const endpointIds = await findEndpoints(session, input.endpointNames ?? []);
      await requireOwn(session, Run, 'run', [input.runId]);
      await requireRoom(session);
      // Whole seconds, as in the token.
      const expiresAt = new Date(Math.floor(Date.now() / 1000 + lifeSeconds) * 1000);
      const { scope, runId = null } = input;
      const createdBy = session.principal.subject;
      const made = session.em.create(AccessToken, {
        tenant: session.tenant,
        name,
        role,
        scope,
        endpointIds,
        runId,
        expiresAt,
        createdBy,
      });
      audit(session, 'issueAccessToken', { type: 'access-token', id: made.id }, null, view(made));
      return made;
    });
    const { id: tokenId, tenant, expiresAt } = accessToken;
    return {
      token: await this.codec.sign(key, { tokenId, tenant, subject: subjectOf(name), role, expiresAt }),
      accessToken,
    };
  }

  /** Revoking a token again changes nothing. */
  async revoke(session: Session, id: string): Promise<AccessToken> {
    const found = await session.em.findOne(
      AccessToken,
      { id, tenant: session.tenant },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    if (!found) throw notFound('access token', id);
    if (found.revokedAt !== null && found.revokedAt !== undefined) return found;
    const before = view(found);
    found.revokedAt = new Date();
    audit(session, 'revokeAccessToken', { type: 'access-token', id }, before, view(found));
    session.afterCommit(() => this.live.publish(TOKENS_CHANGED));
    return found;
  }

  async get(session: Session, id: string): Promise<AccessToken> {
    const found = await session.em.findOne(AccessToken, { id, tenant: session.tenant });
    if (!found) throw notFound('access token', id);
    return found;
  }

  async list(
    session: Session,
    filter: AccessTokenFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'expiresAt' | 'name'>,
  ): Promise<Page<AccessToken>> {
    const where: FilterQuery<AccessToken> = { tenant: session.tenant };
    const { role, scope, search, active } = filter;
    if (role != null) Object.assign(where, { role });
    if (scope != null) Object.assign(where, { scope });
    if (search) Object.assign(where, { name: containsText(search) });
    if (active != null) {
      const holds: FilterQuery<AccessToken> = { revokedAt: null, expiresAt: { $gt: new Date() } };
      Object.assign(where, active ? holds : { $not: holds });
    }
    return paginate(session, AccessToken, where, page, order);
  }
}

/** Revokes the tokens of this name that are for one run: work that has ended. */
export async function endTokensOfRun(
  { em, tenant }: Pick<Session, 'em' | 'tenant'>,
  runId: string,
  name: string,
): Promise<void> {
  await em.nativeUpdate(AccessToken, { tenant, runId, name, revokedAt: null }, { revokedAt: new Date() });
}

function checkTokenName(name: string): string {
  checkRange(TOKEN_NAME, name, null, 'input.name');
  return name;
}

function checkScope({ scope, role, endpointNames, runId }: NewAccessToken): void {
  const count = endpointNames?.length ?? 0;
  if (scope === 'PREDICT') checkRange(TOKEN_ENDPOINTS, endpointNames ?? [], null, 'input.endpointNames');
  if (scope !== 'PREDICT' && count > 0)
    throw badInput('input.endpointNames', `none for the scope ${scope}`, endpointNames);
  if (scope === 'WRITE_RUN' && runId == null)
    throw badInput('input.runId', 'the id of a run for the scope WRITE_RUN', 'nothing');
  if (scope !== 'WRITE_RUN' && runId != null) throw badInput('input.runId', `none for the scope ${scope}`, runId);
  if (scope === 'WRITE_RUN' && !includesRole(role, Role.ENGINEER))
    throw badInput('input.role', 'ENGINEER for the scope WRITE_RUN', role);
}

async function findEndpoints(session: Session, names: readonly string[]): Promise<string[]> {
  const wanted = [...new Set(names)];
  if (wanted.length === 0) return [];
  const found = await session.em.find(Endpoint, { tenant: session.tenant, name: { $in: wanted } });
  const missing = wanted.find((name) => !found.some((endpoint) => endpoint.name === name));
  if (missing !== undefined)
    throw new AppError(ErrorCode.NOT_FOUND, `No endpoint named ${quote(missing)}.`, {
      field: 'input.endpointNames',
      got: quote(missing),
    });
  return found.map(({ id }) => id).sort();
}

async function requireRoom(session: Session): Promise<void> {
  await takeTenantLock(session, 'access tokens');
  const active = await session.em.count(AccessToken, {
    tenant: session.tenant,
    revokedAt: null,
    expiresAt: { $gt: new Date() },
  });
  if (active >= MAX_ACTIVE) {
    throw conflict(`There are ${MAX_ACTIVE} valid tokens already, which is the maximum: revoke some first.`, {
      expected: `fewer than ${MAX_ACTIVE}`,
      got: String(active),
    });
  }
}

function view({ name, role, scope, endpointIds, runId, expiresAt, revokedAt }: AccessToken): Record<string, unknown> {
  return { name, role, scope, endpointIds, runId, expiresAt, revokedAt };
}
