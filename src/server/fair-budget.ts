/** Fraction of an amount, and of the places to wait for it, that one tenant may take; the rest stays for others. */
const TENANT_SHARE = 0.5;

/** Returns what was taken. */
export type Release = () => void;

export interface FairBudgetLimits {
  /** Bytes or places. */
  amount: number;
  /** The longest wait for the amount, in milliseconds. */
  waitMs: number;
  /** The maximum number of waiting requests. */
  waiting: number;
  /** The largest fraction of both that one tenant may have; half when absent. */
  tenantShare?: number;
}

interface Waiting {
  tenant: string;
  amount: number;
  start(): void;
}

/** An amount that requests share. Each tenant may take up to its fraction; the smallest waiting request comes first. */
export class FairBudget {
  private used = 0;
  private readonly usedBy = new Map<string, number>();
  private readonly waiting = new Set<Waiting>();
  private readonly tenantShare: number;

  constructor(private readonly limits: FairBudgetLimits) {
    this.tenantShare = limits.tenantShare ?? TENANT_SHARE;
  }

  /**
   * Resolves to a function that returns the amount; null when there was no room in time. An amount that is larger than
   * a tenant's part counts as that part.
   */
  async take(tenant: string, amount: number): Promise<Release | null> {
    const held = this.takeNow(tenant, amount);
    if (held) return held;
    const own = [...this.waiting].filter((one) => one.tenant === tenant).length;
    if (this.waiting.size >= this.limits.waiting || own >= this.limits.waiting * this.tenantShare) return null;
    return new Promise((resolve) => {
      const start = () => end(this.hold(tenant, amount));
      const one = { tenant, amount, start };
      const timer = setTimeout(() => end(null), this.limits.waitMs);
      const end = (release: Release | null) => {
        clearTimeout(timer);
        this.waiting.delete(one);
        resolve(release);
      };
      this.waiting.add(one);
    });
  }

  /** Null when there is no room now. */
  takeNow(tenant: string, amount: number): Release | null {
    return this.fits(tenant, amount) ? this.hold(tenant, amount) : null;
  }

  private fits(tenant: string, amount: number): boolean {
    const counted = this.counted(amount);
    return this.used + counted <= this.limits.amount && (this.usedBy.get(tenant) ?? 0) + counted <= this.share;
  }

  private hold(tenant: string, amount: number): Release {
    this.count(tenant, this.counted(amount));
    return () => {
      this.count(tenant, -this.counted(amount));
      if (this.waiting.size === 0) return;
      for (const one of [...this.waiting].sort((a, b) => a.amount - b.amount)) {
        if (this.fits(one.tenant, one.amount)) one.start();
      }
    };
  }

  private count(tenant: string, amount: number): void {
    this.used += amount;
    const own = (this.usedBy.get(tenant) ?? 0) + amount;
    if (own > 0) this.usedBy.set(tenant, own);
    else this.usedBy.delete(tenant);
  }

  private counted(amount: number): number {
    return Math.min(amount, this.share);
  }

  private get share(): number {
    return this.limits.amount * this.tenantShare;
  }
}
