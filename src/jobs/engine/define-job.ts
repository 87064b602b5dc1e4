import type { Session } from '../../db/database.js';
import { type Attempt, type JobKind, type KindAttempt, readStored, type Stored } from '../../modules/jobs/index.js';

/** An attempt of a job of any kind; its input and its progress are unparsed JSON. */
export interface StoredAttempt extends Attempt {
  keep(session: Session, soFar: object): Promise<void>;
  succeed(result: object, work?: (session: Session) => Promise<void>): Promise<void>;
}

/** A kind of job, and the work of one attempt. */
export interface JobDefinition<Services> extends JobKind {
  run(services: Services, attempt: StoredAttempt): Promise<void>;
}

/** Connects a kind with the service that does its work; all data between them is parsed by the kind's schemas. */
export function defineJob<Input extends Stored, Result extends Stored, SoFar extends Stored, Services>({
  run,
  ...kind
}: JobKind<Input, Result, SoFar> & {
  run(services: Services, attempt: KindAttempt<Input, Result, SoFar>): Promise<void>;
}): JobDefinition<Services> {
  const { input, result, soFar } = kind;
  return {
    ...kind,
    run(services, attempt) {
      const { id, config, result: kept } = attempt.job;
      const of = { kind: kind.kind, id };
      return run(services, {
        ...attempt,
        input: readStored(input, config, { ...of, what: 'input' }),
        soFar: soFar && kept ? readStored(soFar, kept, { ...of, what: 'result' }) : null,
        keep: async (session, more) => {
          if (soFar) await attempt.keep(session, soFar.parse(more));
        },
        succeed: (end, work) => attempt.succeed(result.parse(end), work),
      });
    },
  };
}
