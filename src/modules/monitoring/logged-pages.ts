import type { Session } from '../../db/database.js';
import { answeredPage, loggedAnswersOf, type LogCursor } from '../serving/index.js';
import type { LabelledRow } from './rules/logged-columns.js';
import { truthsOf } from './stores/ground-truth.js';

type Read = <T>(work: (session: Session) => Promise<T>) => Promise<T>;

/** About how many rows are in memory at the same time. */
const PAGE_ROWS = 16_384;

/**
 * The rows of a deployment's logged requests within [from, to), oldest first, with the ground truths of this moment;
 * with `all` also requests that failed, and copies for a shadow.
 */
export async function* loggedPages(
  read: Read,
  deploymentId: string,
  version: number,
  range: { from: Date; to: Date; all: boolean },
): AsyncGenerator<LabelledRow[]> {
  for (let after: LogCursor | null = null; ;) {
    const place: Parameters<typeof answeredPage>[2] = { ...range, after };
    const page = await read(async (session) => {
      const requests = await answeredPage(session, deploymentId, place, PAGE_ROWS);
      const truths = await truthsOf(
        session,
        requests.map(({ id }) => id),
      );
      return { requests, truths: new Map(truths.map((truth) => [`${truth.predictionId} ${truth.row}`, truth])) };
    });
    const last = page.requests.at(-1);
    if (!last) return;
    yield page.requests.flatMap((request) => {
      const { requestId, loggedAt, latencyMs, inputs, mode, errorCode, rows } = request;
      const answers = errorCode === null ? loggedAnswersOf(request) : Array.from({ length: rows }, noAnswer);
      return answers.map(({ row, label, value }) => {
        const truth = page.truths.get(`${request.id} ${row}`);
        return {
          ...{ requestId, row, loggedAt, deploymentId, version, latencyMs, inputs, mode, errorCode },
          ...{ predictedLabel: label, predictedValue: value },
          ...{ trueLabel: truth?.label ?? null, trueValue: truth?.value ?? null },
          observedAt: truth?.observedAt ?? null,
        };
      });
    });
    after = { loggedAfter: last.loggedAtText, loggedAfterId: last.id };
  }
}

const noAnswer = (_: unknown, row: number) => ({ row, label: null, value: null });
