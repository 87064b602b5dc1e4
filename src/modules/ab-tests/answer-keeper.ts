import type { Database } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';
import { loggedText } from '../model-contract/index.js';
import type { KeyedAnswer } from '../serving/index.js';
import type { activeTests } from './stores/ab-tests.js';
import { addAnswers, type KeptAnswer } from './stores/answers.js';

type ActiveTest = Awaited<ReturnType<typeof activeTests>>[number];
type Waiting = Omit<KeptAnswer, 'testId'> & { endpointId: string };

/** Rows of answers that wait while the database does not answer; beyond it, requests are dropped and counted. */
const MAX_WAITING_ROWS = 1_000_000;
/** Requests of one statement. */
const BATCH = 1_000;

/**
 * Keeps what was answered to every live request while a test needs it for ground truth: the log has only a sample, for
 * a time that may be shorter than the test. No inputs, and no rows whose truth nobody can tell.
 */
export class AnswerKeeper {
  private waiting: Waiting[] = [];
  private waitingRows = 0;
  dropped = 0;

  constructor(private readonly db: Database) {}

  offer({ answers, ...answer }: KeyedAnswer): void {
    if (answers?.kind !== 'CLASSES' && answers?.kind !== 'VALUES') return;
    if (this.waitingRows + answers.rows > MAX_WAITING_ROWS) {
      this.dropped++;
      return;
    }
    const { tenant, endpointId, id, routingKey: key, requestId, deploymentId, modelVersionId } = answer;
    this.waitingRows += answers.rows;
    this.waiting.push({
      ...{ tenant, endpointId, id, key, requestId, deploymentId, modelVersionId, answeredAt: new Date() },
      labels: answers.kind === 'CLASSES' ? Array.from(answers.labels, (label) => loggedText(String(label))) : null,
      // JSON has no NaN; a row without a number has no error either.
      values: answers.kind === 'VALUES' ? Array.from(answers.values) : null,
    });
  }

  /** Writes what the tests need of everything that was offered. */
  async write(tests: readonly ActiveTest[]): Promise<void> {
    const byEndpoint = new Map(tests.filter(({ keepsAnswers }) => keepsAnswers).map((one) => [one.endpointId, one]));
    const isNeeded = ({ endpointId, tenant }: Waiting) => byEndpoint.get(endpointId)?.tenant === tenant;
    this.waiting = this.waiting.filter(isNeeded);
    while (this.waiting.length > 0) {
      const batch = this.waiting.slice(0, BATCH);
      const rows = batch.map(({ endpointId, ...one }) => ({ ...one, testId: byEndpoint.get(endpointId)!.id }));
      const refusal = await this.db
        .asSystem((em) => addAnswers(em, rows))
        .then(
          () => null,
          (error: unknown) => error,
        );
      if (refusal instanceof AppError && refusal.code === ErrorCode.UNAVAILABLE) throw refusal;
      this.waiting.splice(0, batch.length);
      if (refusal) {
        // The database would refuse this batch again, and so block all later ones.
        this.dropped += batch.length;
        throw refusal;
      }
    }
    this.waitingRows = this.waiting.reduce((sum, { labels, values }) => sum + (labels ?? values)!.length, 0);
  }
}
