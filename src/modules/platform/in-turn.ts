import { AppError, ErrorCode } from '../../errors.js';

/** Runs one piece of work after the other; past `maxWaiting` of them the next is refused with RESOURCE_EXHAUSTED. */
export class InTurn {
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(
    private readonly what: string,
    private readonly maxWaiting: number,
  ) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.waiting >= this.maxWaiting) {
      throw new AppError(
        ErrorCode.RESOURCE_EXHAUSTED,
        `${this.maxWaiting} ${this.what} are waiting; try again in a minute.`,
      );
    }
    this.waiting += 1;
    const turn = this.last.then(work);
    this.last = turn.catch(() => undefined);
    return turn.finally(() => {
      this.waiting -= 1;
    });
  }
}
