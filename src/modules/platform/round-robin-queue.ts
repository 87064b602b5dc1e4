import { AppError, ErrorCode } from '../../errors.js';

interface Waiting {
  owner: string;
  start(): void;
}

/**
 * Runs one task after the other. Owners take turns, so that an owner waits for at most one task of another, however
 * many that one has. When more than `maxWaiting` tasks of one owner wait, the next one is refused with
 * RESOURCE_EXHAUSTED.
 */
export class RoundRobinQueue {
  private readonly waiting: Waiting[] = [];
  /** When each waiting owner was last served. */
  private readonly served = new Map<string, number>();
  private turns = 0;
  /** The owner of the running task. */
  private running: string | null = null;

  constructor(
    private readonly what: string,
    private readonly maxWaiting: number,
  ) {}

  async run<T>(owner: string, work: () => Promise<T>): Promise<T> {
    const own = this.waiting.filter((other) => other.owner === owner).length + (this.running === owner ? 1 : 0);
    if (own >= this.maxWaiting) {
      throw new AppError(
        ErrorCode.RESOURCE_EXHAUSTED,
        `${this.maxWaiting} ${this.what} are waiting; try again in a minute.`,
      );
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiting.push({ owner, start: resolve });
    this.startNext();
    await promise;
    try {
      return await work();
    } finally {
      this.running = null;
      this.startNext();
    }
  }

  private startNext(): void {
    const [first] = this.waiting;
    if (this.running !== null || !first) return;
    const lastOf = ({ owner }: Waiting) => this.served.get(owner) ?? 0;
    const next = this.waiting.reduce((best, other) => (lastOf(other) < lastOf(best) ? other : best), first);
    this.waiting.splice(this.waiting.indexOf(next), 1);
    this.running = next.owner;
    this.served.set(next.owner, ++this.turns);
    if (this.waiting.length === 0) this.served.clear();
    next.start();
  }
}
