import { LRUCache } from 'lru-cache';
import { TokenBudget } from '../../db/entities/language-models/token-budget.entity.js';
import type { Database, Session } from '../../db/database.js';
import { badInput } from '../../errors.js';
import { checkRange } from '../core/index.js';
import { audit, takeTenantLock } from '../platform/index.js';
import { dayOf, limitOf, renewalAfter, reservationOf, TOKENS_PER_DAY, usedUp } from './rules/budget.js';
import { budgetOf, type DayUse } from './stores/token-use.js';
import { TokenCounters } from './token-counters.js';

/** A tenant's budget on this day. */
export interface BudgetState {
  /** Null without a limit. */
  tokensPerDay: number | null;
  usedTokens: number;
  renewsAt: Date;
}

interface Known {
  day: number;
  limit: number | null;
  /** In the database. */
  used: number;
  readAt: number;
}

const MAX_TENANTS = 10_000;
/** A budget is read again after this time: other processes count too. */
const MAX_AGE_MS = 1_000;

/**
 * How many tokens tenants may use on a day. A request begins while tokens are left that no running answer may need;
 * an answer that has begun goes on.
 */
export class TokenBudgets {
  readonly counters: TokenCounters;
  private readonly known = new LRUCache<string, Known>({ max: MAX_TENANTS });
  /** What running answers of this process may use. */
  private readonly reserved = new Map<string, number>();

  constructor(
    private readonly db: Database,
    /** The limit of every tenant, from the settings. */
    private readonly ofService: number | null,
  ) {
    this.counters = new TokenCounters(db, (use) => this.addWritten(use));
  }

  /** Errors: RESOURCE_EXHAUSTED. The returned function ends the reservation. */
  async reserve(tenant: string, maxTokens: number | undefined): Promise<() => void> {
    const now = Date.now();
    const { limit, used } = await this.read(tenant, now);
    if (limit === null) return () => undefined;
    const running = this.reserved.get(tenant) ?? 0;
    if (used + this.counters.unwritten(tenant, dayOf(now)) + running >= limit) throw usedUp(limit, now);
    const tokens = reservationOf(maxTokens);
    this.reserved.set(tenant, running + tokens);
    return () => {
      const left = (this.reserved.get(tenant) ?? 0) - tokens;
      if (left > 0) this.reserved.set(tenant, left);
      else this.reserved.delete(tenant);
    };
  }

  /** Null ends the tenant's own limit. BAD_USER_INPUT above the limit of the service. */
  async set(session: Session, tokensPerDay: number | null): Promise<BudgetState> {
    const { em, tenant } = session;
    if (tokensPerDay !== null) {
      checkRange(TOKENS_PER_DAY, tokensPerDay, { parent: null, key: 'input' }, 'tokensPerDay');
      if (this.ofService !== null && tokensPerDay > this.ofService) {
        const expected = `at most ${this.ofService} tokens, which is what the service allows each tenant`;
        throw badInput('input.tokensPerDay', expected, tokensPerDay);
      }
    }
    await takeTenantLock(session, 'token budget');
    const { own } = await budgetOf(em, tenant, dayOf(Date.now()));
    em.create(TokenBudget, { tenant, setAt: new Date(), tokensPerDay });
    audit(session, 'setTokenBudget', { type: 'tenant', id: tenant }, { tokensPerDay: own }, { tokensPerDay });
    await em.flush();
    session.afterCommit(() => void this.known.delete(tenant));
    return this.state(session);
  }

  async state({ em, tenant }: Session): Promise<BudgetState> {
    const now = Date.now();
    const { own, used } = await budgetOf(em, tenant, dayOf(now));
    return {
      tokensPerDay: limitOf(own, this.ofService),
      usedTokens: used + this.counters.unwritten(tenant, dayOf(now)),
      renewsAt: renewalAfter(now),
    };
  }

  private async read(tenant: string, now: number): Promise<Known> {
    const day = dayOf(now);
    const known = this.known.get(tenant);
    if (known?.day === day.getTime() && now - known.readAt < MAX_AGE_MS) return known;
    try {
      const { own, used } = await this.db.asSystem((em) => budgetOf(em, tenant, day));
      const read = { day: day.getTime(), limit: limitOf(own, this.ofService), used, readAt: now };
      this.known.set(tenant, read);
      return read;
    } catch (error) {
      // While the database is away, the last known budget holds.
      if (known) return known.day === day.getTime() ? known : { ...known, used: 0 };
      throw error;
    }
  }

  private addWritten({ tenant, day, tokens }: DayUse): void {
    const known = this.known.get(tenant);
    if (known?.day === day.getTime()) known.used += tokens;
  }
}
