import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { ServiceTokenCodec, TokenVerifier } from '../../adapters/auth/port.js';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Database } from '../../db/database.js';
import type { Principal, TokenScope } from '../core/index.js';
import { AppError, ErrorCode, unauthenticated } from '../../errors.js';
import type { SigningKeys } from './signing-keys.js';
import { saveUses, validTokens } from './stores/access-tokens.js';

/** The topic on which every process learns that tokens were revoked. */
export const TOKENS_CHANGED = 'access-tokens';

export interface KnownTokensParts {
  db: Database;
  live: LiveEvents;
  codec: ServiceTokenCodec;
  keys: SigningKeys;
  /** Verifies tokens of other issuers. */
  others: TokenVerifier;
  logger: Logger;
}

/** A token of this service that this process has seen. */
interface Known {
  id: string;
  keyId: string;
  principal: Principal;
  /** When the database last confirmed it. */
  checkedAt: number;
  usedAt: number;
  /** Revoked, expired, or its key was removed. This never changes back. */
  isOver: boolean;
  /** Called when the token ends. */
  watchers: Set<() => void>;
  /** Number of cache entries that refer to it. */
  held: number;
}

type Row = Awaited<ReturnType<typeof validTokens>>[number];

const MAX_KNOWN = 10_000;
const POLL_MS = 2_000;
/** A check by the database is valid for this long; the poll renews it. */
const FRESH_MS = 4_000;
/** While the database does not answer, its last check is valid for this long, as with the routes of endpoints. */
const MAX_AGE_WITHOUT_DATABASE_MS = 60_000;
/** How long a request waits for a database that hangs. */
const PATIENCE_MS = 500;
/** How often the times of last use are stored. */
const SAVE_MS = 15_000;

/**
 * Tokens as this process knows them. It reads the rows of this service's tokens again all the time, so that a revoked
 * token ends everywhere.
 */
export class KnownTokens implements TokenVerifier {
  private readonly byToken = new LRUCache<string, Known>({ max: MAX_KNOWN, dispose: (known) => this.letGo(known) });
  /** Tokens that are read again: those in `byToken`, and those that have watchers. */
  private readonly byId = new Map<string, Known>();
  private readonly used = new Map<string, number>();
  private refreshing: Promise<void> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private savedAt = Date.now();
  private readonly unsubscribe: () => void;

  constructor(private readonly parts: KnownTokensParts) {
    this.unsubscribe = parts.live.subscribe(TOKENS_CHANGED, () => void this.tryRefresh());
  }

  verify(token: string): Principal | Promise<Principal> {
    if (!this.parts.codec.isOwn(token)) return this.parts.others.verify(token);
    const known = this.byToken.get(token);
    if (!known) return this.learn(token);
    const now = Date.now();
    if (known.isOver || now >= known.principal.expiresAt.getTime()) return Promise.reject(unauthenticated());
    if (now - known.checkedAt > FRESH_MS) return this.lookAgain(known);
    known.usedAt = now;
    return known.principal;
  }

  /**
   * Calls `onEnd` when a token of this service is revoked; returns a function that stops it. The caller checks the
   * expiry itself.
   */
  watch({ tokenId }: Principal, onEnd: () => void): () => void {
    const known = tokenId === undefined ? undefined : this.byId.get(tokenId);
    if (!known) return () => undefined;
    known.watchers.add(onEnd);
    return () => {
      known.watchers.delete(onEnd);
      this.forget(known);
    };
  }

  async close(): Promise<void> {
    this.unsubscribe();
    if (this.timer) clearInterval(this.timer);
    await this.refreshing;
    await this.saveUses().catch((error: unknown) =>
      this.parts.logger.warn({ err: error }, 'last uses of tokens not written'),
    );
  }

  private async learn(token: string): Promise<Principal> {
    const { codec, keys, db } = this.parts;
    const claims = await codec.read(token, (id) => keys.find(id));
    const checkedAt = Date.now();
    const [row] = await db.asSystem((em) => validTokens(em, [claims.tokenId]));
    if (!row || row.tenant !== claims.tenant) throw unauthenticated();
    const known = this.byId.get(row.id) ?? {
      id: row.id,
      keyId: claims.keyId,
      principal: toPrincipal(row),
      checkedAt,
      usedAt: checkedAt,
      isOver: false,
      watchers: new Set(),
      held: 0,
    };
    if (known.isOver) throw unauthenticated();
    known.usedAt = Date.now();
    this.byId.set(known.id, known);
    known.held++;
    this.byToken.set(token, known);
    this.timer ??= setInterval(() => void this.tryRefresh(), POLL_MS).unref();
    return known.principal;
  }

  private async lookAgain(known: Known): Promise<Principal> {
    this.byId.set(known.id, known);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
    await Promise.race([this.tryRefresh(), late]);
    clearTimeout(timer);
    if (known.isOver) throw unauthenticated();
    if (Date.now() - known.checkedAt > MAX_AGE_WITHOUT_DATABASE_MS) {
      throw new AppError(
        ErrorCode.UNAVAILABLE,
        'The service cannot check whether this token is still valid, because the database does not answer. ' +
          'Try again in some seconds.',
      );
    }
    known.usedAt = Date.now();
    return known.principal;
  }

  private tryRefresh(): Promise<void> {
    this.refreshing ??= this.refresh()
      .catch((error: unknown) => this.parts.logger.warn({ err: error }, 'tokens not looked at again'))
      .finally(() => {
        this.refreshing = null;
      });
    return this.refreshing;
  }

  private async refresh(): Promise<void> {
    if (this.byId.size === 0) return;
    const { db, keys } = this.parts;
    const startedAt = Date.now();
    const looked = [...this.byId.values()];
    await keys.load();
    const rows = await db.asSystem((em) =>
      validTokens(
        em,
        looked.map(({ id }) => id),
      ),
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const known of looked) {
      const row = byId.get(known.id);
      if (!row || !keys.isKnown(known.keyId)) this.end(known);
      else {
        // An endpoint in its scope may have been deleted.
        if (row.scope !== 'EVERYTHING' && row.scope !== 'READ') known.principal = toPrincipal(row);
        known.checkedAt = startedAt;
      }
    }
    if (startedAt - this.savedAt >= SAVE_MS) await this.saveUses();
  }

  private end(known: Known): void {
    if (known.isOver) return;
    known.isOver = true;
    this.byId.delete(known.id);
    for (const onEnd of [...known.watchers]) onEnd();
    known.watchers.clear();
  }

  private letGo(known: Known): void {
    known.held--;
    this.forget(known);
  }

  private forget(known: Known): void {
    if (known.watchers.size > 0 || known.held > 0) return;
    this.used.set(known.id, known.usedAt);
    this.byId.delete(known.id);
  }

  private async saveUses(): Promise<void> {
    for (const known of this.byId.values()) {
      // An open socket counts as a use of its token.
      if (known.watchers.size > 0) known.usedAt = Date.now();
      if (known.usedAt > this.savedAt) this.used.set(known.id, known.usedAt);
    }
    this.savedAt = Date.now();
    const uses = [...this.used];
    if (uses.length === 0) return;
    await this.parts.db.asSystem((em) =>
      saveUses(
        em,
        uses.map(([id, at]) => ({ id, usedAt: new Date(at) })),
      ),
    );
    this.used.clear();
  }
}

function toPrincipal({ id, tenant, name, role, expiresAt, ...row }: Row): Principal {
  return { subject: subjectOf(name), tenant, role, expiresAt, tokenId: id, scope: toScope(row) };
}

function toScope({ scope, endpoints, runId }: Pick<Row, 'scope' | 'endpoints' | 'runId'>): TokenScope {
  switch (scope) {
    case 'PREDICT':
      return { kind: scope, endpoints };
    case 'WRITE_RUN':
      return { kind: scope, runId };
    default:
      return { kind: scope };
  }
}

/** The prefix keeps a token from being mistaken for a person of the same name. */
export function subjectOf(name: string): string {
  return `token:${name}`;
}
