interface Waiting {
  owner: string;
  start(): void;
}

/**
 * Runs up to `most` tasks at the same time, up to `mostPerOwner` of one owner. The owner with the fewest running tasks
 * comes first.
 */
export class FairQueue {
  private readonly waiting: Waiting[] = [];
  private readonly running = new Map<string, number>();
  private total = 0;

  constructor(
    private readonly most: number,
    private readonly mostPerOwner: number,
  ) {}

  async run<T>(owner: string, work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiting.push({ owner, start: resolve });
    this.startNext();
    await promise;
    try {
      return await work();
    } finally {
      this.total--;
      this.running.set(owner, this.runningOf(owner) - 1);
      if (this.runningOf(owner) === 0) this.running.delete(owner);
      this.startNext();
    }
  }

  private runningOf(owner: string): number {
    return this.running.get(owner) ?? 0;
  }

  private startNext(): void {
    while (this.total < this.most && this.waiting.length > 0) {
      const next = this.waiting.reduce((best, candidate) =>
        this.runningOf(candidate.owner) < this.runningOf(best.owner) ? candidate : best,
      );
      if (this.runningOf(next.owner) >= this.mostPerOwner) return;
      this.waiting.splice(this.waiting.indexOf(next), 1);
      this.total++;
      this.running.set(next.owner, this.runningOf(next.owner) + 1);
      next.start();
    }
  }
}
