import { abortable, type Sequenced } from '../../services/platform/live-feed.js';
import type { Session } from '../../db/database.js';
import type { RequestContext } from '../request-context.js';

/** Follows numbered rows of a run past `after`; NOT_FOUND when there is no such run. */
export async function followRun<T extends Sequenced>(
  ctx: RequestContext,
  { runId, after }: { runId: string; after?: number },
  topic: string,
  read: (session: Session, seq: number, limit: number) => Promise<T[]>,
): Promise<AsyncIterableIterator<T>> {
  const key = `${ctx.principal.tenant}/${topic}`;
  await ctx.services.feeds.together(key, () => ctx.run((session) => ctx.services.runs.get(session, runId)));
  return abortable((signal) =>
    ctx.services.feeds.follow(key, topic, (seq, limit) => ctx.run((session) => read(session, seq, limit)), after ?? null, signal),
  );
}
