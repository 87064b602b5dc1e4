import { OperationTypeNode } from 'graphql';
import { AppError, ErrorCode } from '../errors.js';
import { FairBudget, type Release } from './fair-budget.js';

/** The rows behind an answer may be larger by this factor, because not every column is shown. */
const READ_FACTOR = 2;
/** Answers up to this size, with their rows, count as small; their number is not limited. */
const SMALL_BYTES = 1024 ** 2;
/** Large answers that are made at the same time; those of one tenant are at most half of them. */
const LARGE_AT_ONCE = 4;
/** The longest time that a large answer waits for its turn. */
const WAIT_MS = 10_000;
const MAX_WAITING = 256;
/** Fraction of the database connections that the requests of one tenant may use; the rest stays free for others. */
const TENANT_SHARE_OF_CONNECTIONS = 0.75;
const MAX_WAITING_FOR_CONNECTIONS = 2_000;
/** Text with escapes, and numbers, may need this many times the counted bytes. */
const ESTIMATE_FACTOR = 6;
const RETRY_AFTER_SECONDS = 5;
const LESS_OF_GRAPHQL =
  'Ask for fewer fields, or for smaller pages: give a lower `first`, then pass `pageInfo.endCursor` as `after`.';

export interface AnswerBudgetOptions {
  /** Limit of one answer. */
  maxAnswerBytes: number;
  /** Number of connections of this process to its database. */
  connections: number;
  /** The longest wait for a connection. */
  connectionWaitMs: number;
}

/** The limit of all answers that are made at the same time. */
export class AnswerBudget {
  /** Gives large answers their turns. */
  readonly large: FairBudget;
  readonly connections: FairBudget;
  readonly maxAnswerBytes: number;

  constructor(options: AnswerBudgetOptions) {
    this.maxAnswerBytes = options.maxAnswerBytes;
    this.large = new FairBudget({ amount: LARGE_AT_ONCE, waitMs: WAIT_MS, waiting: MAX_WAITING });
    this.connections = new FairBudget({
      amount: options.connections,
      waitMs: options.connectionWaitMs,
      waiting: MAX_WAITING_FOR_CONNECTIONS,
      tenantShare: TENANT_SHARE_OF_CONNECTIONS,
    });
  }

  /** `onLarge` is called when the answer becomes large: from then on `end` must be called. */
  open(
    tenant: string,
    onLarge: (bytes: AnswerBytes) => void = () => undefined,
    howToAskForLess = LESS_OF_GRAPHQL,
  ): AnswerBytes {
    return new AnswerBytes(this, tenant, onLarge, howToAskForLess);
  }
}

/** Counts the bytes of one answer, and of the rows behind it, while they are read and made. */
export class AnswerBytes {
  /** Why the answer was stopped; null while it is small enough. */
  refusal: AppError | null = null;
  private answered = 0;
  private read = 0;
  /** For a large answer: null when its turn has come, otherwise the wait for it. */
  private turn: Promise<void> | null | undefined;
  private release: Release | null = null;
  private isOver = false;

  constructor(
    private readonly budget: AnswerBudget,
    private readonly tenant: string,
    private readonly onLarge: (bytes: AnswerBytes) => void,
    private readonly howToAskForLess: string,
  ) {}

  /**
   * Returns what to wait for before more is made. Errors: QUERY_TOO_COMPLEX above the limit, UNAVAILABLE when the turn
   * does not come in time.
   */
  addAnswered(bytes: number, operation: OperationTypeNode): Promise<void> | null {
    this.answered += bytes;
    if (this.answered > this.budget.maxAnswerBytes) this.refuse(this.answerTooLarge(operation));
    return this.wait();
  }

  /** Returns what to wait for before more is read. Errors are those of `addAnswered`. */
  addRead(bytes: number): Promise<void> | null {
    if (this.refusal) throw this.refusal;
    const limit = READ_FACTOR * this.budget.maxAnswerBytes;
    this.read += bytes;
    if (this.read > limit) this.refuse(this.rowsTooLarge(limit));
    return this.wait();
  }

  /** Counts a whole answer that is made already. Errors: as `addAnswered`. */
  async addText(text: string, isChange: boolean): Promise<void> {
    if (this.refusal && !isChange) throw this.refusal;
    const operation = isChange ? OperationTypeNode.MUTATION : OperationTypeNode.QUERY;
    await this.addAnswered(Buffer.byteLength(text), operation);
  }

  /** Bytes of the rows that were read, as a part of the largest answer. */
  readShare(): number {
    return this.read / this.budget.maxAnswerBytes;
  }

  /** Runs one transaction of the request, when the tenant may use another connection. Errors: UNAVAILABLE. */
  async transact<T>(work: () => Promise<T>): Promise<T> {
    const { connections } = this.budget;
    const release = connections.takeNow(this.tenant, 1) ?? (await connections.take(this.tenant, 1));
    if (!release) throw noConnection();
    try {
      if (this.refusal) throw this.refusal;
      return await work();
    } finally {
      release();
    }
  }

  /**
   * Why nothing of the finished answer may be sent. The answer of a mutation, which tells what was changed, is sent.
   */
  refusalOf(operation: OperationTypeNode, text: () => string): AppError | null {
    const { maxAnswerBytes } = this.budget;
    if (this.refusal && operation !== OperationTypeNode.MUTATION) return this.refusal;
    const mayBeTooLarge = this.answered * ESTIMATE_FACTOR > maxAnswerBytes;
    return mayBeTooLarge && Buffer.byteLength(text()) > maxAnswerBytes ? this.answerTooLarge(operation) : null;
  }

  /** Gives the next large answer its turn. */
  end(): void {
    this.isOver = true;
    this.release?.();
    this.release = null;
  }

  private wait(): Promise<void> | null {
    if (this.turn !== undefined || this.answered + this.read <= SMALL_BYTES) return this.turn ?? null;
    const { large } = this.budget;
    this.release = large.takeNow(this.tenant, 1);
    this.turn = this.release ? null : this.takeTurn(large.take(this.tenant, 1));
    // A waiting caller gets the error too.
    this.turn?.catch(() => undefined);
    this.onLarge(this);
    return this.turn;
  }

  private async takeTurn(taking: Promise<Release | null>): Promise<void> {
    const release = await taking;
    if (!release) this.refuse(noTurn());
    this.release = release;
    this.turn = null;
    if (this.isOver) this.end();
  }

  private refuse(error: AppError): never {
    this.refusal ??= error;
    throw this.refusal;
  }

  private answerTooLarge(operation: OperationTypeNode): AppError {
    const { maxAnswerBytes } = this.budget;
    const what = operation === OperationTypeNode.MUTATION ? 'The change was made, but its answer' : 'This answer';
    return this.tooLarge(
      `${what} is larger than ${maxAnswerBytes} bytes (the setting MAX_ANSWER_BYTES).`,
      maxAnswerBytes,
    );
  }

  private rowsTooLarge(limit: number): AppError {
    return this.tooLarge(
      `The rows behind this answer are larger than ${limit} bytes (${READ_FACTOR} times the setting MAX_ANSWER_BYTES).`,
      limit,
    );
  }

  private tooLarge(sentence: string, limit: number): AppError {
    return new AppError(ErrorCode.QUERY_TOO_COMPLEX, `${sentence} ${this.howToAskForLess}`, {
      expected: `at most ${limit} bytes`,
      got: `more than ${limit} bytes`,
    });
  }
}

const noTurn = () =>
  new AppError(
    ErrorCode.UNAVAILABLE,
    `Other large answers are being made, and this one waited ${WAIT_MS / 1000} seconds for its turn. Try ` +
      `again in ${RETRY_AFTER_SECONDS} seconds, or ask for smaller pages.`,
    { expected: 'fewer large answers at the same time' },
  );

const noConnection = () =>
  new AppError(
    ErrorCode.UNAVAILABLE,
    `Too many requests of your tenant are being answered. Try again in ${RETRY_AFTER_SECONDS} seconds.`,
    { expected: 'fewer requests at the same time' },
  );
