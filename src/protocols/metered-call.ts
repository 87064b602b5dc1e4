import type { FastifyReply } from 'fastify';
import type { Actor, Database, Session } from '../db/database.js';
import type { AnswerBudget } from '../server/answer-bytes.js';

export interface MeterParts {
  db: Database;
  answers: AnswerBudget;
}

/** A call whose rows and answer are counted against MAX_ANSWER_BYTES and the share of its tenant, as in GraphQL. */
export interface MeteredCall {
  /** Runs one use case in one transaction. Errors: QUERY_TOO_COMPLEX, UNAVAILABLE. */
  run<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** The same without counting, for an answer that is sent in parts and so is never whole in memory. */
  runForPart<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Bytes of the rows that were read so far, as a part of what an answer may have: 1 is a full answer. */
  share(): number;
  /** The answer as JSON. Errors: QUERY_TOO_COMPLEX, UNAVAILABLE. */
  toJson(answer: unknown): Promise<string>;
}

/** `howToAskForLess` ends the error of an answer that is too large. */
export function meteredCall(
  { db, answers }: MeterParts,
  actor: Actor,
  reply: FastifyReply,
  { isChange, howToAskForLess }: { isChange: boolean; howToAskForLess: string },
): MeteredCall {
  // An answer keeps its turn until it is sent.
  const onLarge = (large: { end(): void }) => {
    if (reply.raw.closed) large.end();
    else reply.raw.once('close', () => large.end());
  };
  const bytes = answers.open(actor.principal.tenant, onLarge, howToAskForLess);
  const onRow = (rowBytes: number) => bytes.addRead(rowBytes);
  return {
    run: (work) => bytes.transact(() => db.transact({ ...actor, onRow }, work)),
    runForPart: (work) => db.transact(actor, work),
    share: () => bytes.readShare(),
    async toJson(answer) {
      const text = JSON.stringify(answer);
      await bytes.addText(text, isChange);
      return text;
    },
  };
}
