import { abortable, type Sequenced } from '../../modules/platform/index.js';
import type { Session } from '../../db/database.js';
import type { RequestContext } from '../request-context.js';

export interface RunFeedArgs {
  runId: string;
  after?: number | null;
  follow?: boolean | null;
}

export const FOLLOW =
  'True: the subscription stays open after the run has ended, because the run can be resumed. False when absent.';

/** Follows the numbered rows of a run after `after`, until it ends; NOT_FOUND when the run does not exist. */
export async function followRun<T extends Sequenced>(
  ctx: RequestContext,
  { runId, after, follow }: RunFeedArgs,
  topic: string,
  readRows: (session: Session, seq: number, limit: number) => Promise<T[]>,
): Promise<AsyncIterableIterator<T>> {
  const { feeds, runs } = ctx.services;
  const key = `${ctx.principal.tenant}/${topic}`;
  await feeds.together(key, () => ctx.run((session) => runs.get(session, runId)));
  const read = (seq: number, limit: number) =>
    ctx.run(async (session) => {
      // Asked before the rows are read, so that they contain everything that was written before the end.
      const hasEnded = await runs.hasEnded(session, runId);
      return { rows: await readRows(session, seq, limit), hasEnded };
    });
  return abortable((signal) => feeds.follow(key, topic, read, after ?? null, signal, follow ?? false));
}
