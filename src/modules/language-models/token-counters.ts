import type { Database } from '../../db/database.js';
import type { TokenUsage } from '../model-contract/index.js';
import { dayOf } from './rules/budget.js';
import { addDayUse, addTokenMinutes, type DayUse, type TokenMinute } from './stores/token-use.js';

/** The tokens of one answer, whole or not. */
export interface CountedTokens extends TokenUsage {
  tenant: string;
  deploymentId: string;
  /** The time from the first token to the last one. */
  laterMs: number;
}

const MINUTE_MS = 60_000;
/** While the database is away; then the oldest minutes are dropped. What tenants have used is never dropped. */
const MAX_WAITING_MINUTES = 20_000;

/** Adds up tokens in memory, per deployment and minute and per tenant and day; `flush` adds them to the database. */
export class TokenCounters {
  private minutes = new Map<string, TokenMinute>();
  private uses = new Map<string, DayUse>();
  private writing: readonly DayUse[] = [];

  constructor(
    private readonly db: Database,
    /** Learns of tokens that are in the database now. */
    private readonly written: (use: DayUse) => void,
  ) {}

  count({ tenant, deploymentId, promptTokens, completionTokens, laterMs }: CountedTokens): void {
    const now = Date.now();
    const minute = new Date(Math.floor(now / MINUTE_MS) * MINUTE_MS);
    const laterTokens = Math.max(0, completionTokens - 1);
    const counted = { tenant, deploymentId, minute, promptTokens, completionTokens, laterTokens, laterMs };
    addMinute(this.minutes, counted);
    addUse(this.uses, { tenant, day: dayOf(now), tokens: promptTokens + completionTokens });
  }

  /** Tokens of a tenant that are not in the database yet. */
  unwritten(tenant: string, day: Date): number {
    const key = useKey({ tenant, day });
    const isWriting = this.writing.find((use) => useKey(use) === key);
    return (this.uses.get(key)?.tokens ?? 0) + (isWriting?.tokens ?? 0);
  }

  /** What cannot be written waits for the next call. */
  async flush(): Promise<void> {
    const [minutes, uses] = [[...this.minutes.values()], [...this.uses.values()]];
    if (uses.length === 0 && minutes.length === 0) return;
    this.minutes = new Map();
    this.uses = new Map();
    this.writing = uses;
    try {
      // A deployment that is gone takes its minutes with it, but the tenant has used its tokens.
      await this.db.asSystem((em) => addDayUse(em, uses));
      for (const use of uses) this.written(use);
    } catch (error) {
      for (const use of uses) addUse(this.uses, use);
      this.putBack(minutes);
      throw error;
    } finally {
      this.writing = [];
    }
    try {
      await this.db.asSystem((em) => addTokenMinutes(em, minutes));
    } catch (error) {
      this.putBack(minutes);
      throw error;
    }
  }

  private putBack(minutes: readonly TokenMinute[]): void {
    for (const minute of minutes.slice(-MAX_WAITING_MINUTES)) addMinute(this.minutes, minute);
  }
}

const useKey = ({ tenant, day }: Pick<DayUse, 'tenant' | 'day'>) => `${tenant} ${day.getTime()}`;

function addUse(uses: Map<string, DayUse>, { tenant, day, tokens }: DayUse): void {
  const key = useKey({ tenant, day });
  uses.set(key, { tenant, day, tokens: (uses.get(key)?.tokens ?? 0) + tokens });
}

function addMinute(minutes: Map<string, TokenMinute>, minute: TokenMinute): void {
  const key = `${minute.deploymentId} ${minute.minute.getTime()}`;
  const sum = { ...minute };
  const known = minutes.get(key);
  if (known)
    for (const field of ['promptTokens', 'completionTokens', 'laterTokens', 'laterMs'] as const)
      sum[field] += known[field];
  minutes.set(key, sum);
}
