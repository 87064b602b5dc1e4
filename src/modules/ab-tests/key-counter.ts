import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Database } from '../../db/database.js';
import { Ticker } from '../platform/index.js';
import type { KeyedAnswer } from '../serving/index.js';
import type { AnswerKeeper } from './answer-keeper.js';
import { activeTests } from './stores/ab-tests.js';
import { addKeyCounts, addKeyRows, type KeyCounts } from './stores/key-counts.js';

/** What one key did at one deployment within a second. */
interface Counted extends Pick<KeyedAnswer, 'tenant' | 'endpointId' | 'deploymentId' | 'routingKey'> {
  second: number;
  requests: number;
  errors: number;
  latencyMs: number;
  rows: number;
  output: number;
}

/** The topic on which every process learns that a test was planned. */
export const AB_TESTS_PLANNED = 'ab-tests-planned';

const FLUSH_MS = 1_000;
/** Counts of keys that wait while the database does not answer; beyond it, new keys are dropped and counted. */
const MAX_WAITING = 500_000;
/** Without news for longer than this, every endpoint may have a test. */
const NEWS_MS = 1_500;
/** Rows of one statement. */
const BATCH = 5_000;

/**
 * Counts every prediction by its routing key, for endpoints with an A/B test. The counts add up in memory and are
 * written in bulk, so that no prediction waits for the database. A test counts from a whole second on that every
 * process knows in time, so none is lost at the start.
 */
export class KeyCounter {
  private counted = new Map<string, Counted>();
  private tested: ReadonlySet<string> = new Set();
  /** Endpoints whose tests need the answers. */
  private kept: ReadonlySet<string> = new Set();
  private knownAt = 0;
  private readonly writing: Ticker;
  dropped = 0;

  constructor(
    private readonly db: Database,
    private readonly answers: AnswerKeeper,
    live: LiveEvents,
    logger: Logger,
    private readonly maxRows: number,
  ) {
    this.writing = new Ticker({
      name: 'ab-test-keys',
      intervalMs: FLUSH_MS,
      logger,
      run: () => this.write(),
      wakeOn: { live, topic: AB_TESTS_PLANNED },
    });
  }

  start(): void {
    this.writing.start();
  }

  async stop(): Promise<void> {
    await this.flush();
    await this.writing.stop();
  }

  /** Writes everything that was counted before. */
  flush(): Promise<void> {
    return this.writing.flush();
  }

  count(answer: KeyedAnswer): void {
    const now = Date.now();
    const isUnsure = now - this.knownAt >= NEWS_MS;
    if (this.kept.has(answer.endpointId) || isUnsure) this.answers.offer(answer);
    if (!this.tested.has(answer.endpointId) && !isUnsure) return;
    const second = Math.floor(now / 1_000);
    const id = `${answer.deploymentId}\u0000${second}\u0000${answer.routingKey}`;
    let sums = this.counted.get(id);
    if (!sums) {
      if (this.counted.size >= MAX_WAITING) {
        this.dropped++;
        return;
      }
      const { tenant, endpointId, deploymentId, routingKey } = answer;
      sums = {
        tenant,
        endpointId,
        deploymentId,
        routingKey,
        second,
        requests: 0,
        errors: 0,
        latencyMs: 0,
        rows: 0,
        output: 0,
      };
      this.counted.set(id, sums);
    }
    sums.requests++;
    sums.latencyMs += answer.latencyMs;
    if (answer.failed) {
      sums.errors++;
      return;
    }
    sums.rows += answer.rows;
    if (Number.isFinite(answer.outputSum)) sums.output += answer.outputSum;
  }

  private async write(): Promise<void> {
    const askedAt = Date.now();
    const tests = await this.db.asSystem((em) => activeTests(em));
    this.tested = new Set(tests.map(({ endpointId }) => endpointId));
    this.kept = new Set(tests.filter(({ keepsAnswers }) => keepsAnswers).map(({ endpointId }) => endpointId));
    this.knownAt = askedAt;
    await this.writeCounts(tests);
    await this.answers.write(tests);
  }

  private async writeCounts(tests: Awaited<ReturnType<typeof activeTests>>): Promise<void> {
    const counted = this.counted;
    if (counted.size === 0) return;
    this.counted = new Map();
    const byEndpoint = new Map(tests.map((test) => [test.endpointId, test]));
    const periods = { PAST: new Map<string, KeyCounts>(), TEST: new Map<string, KeyCounts>() };
    for (const one of counted.values()) {
      const test = byEndpoint.get(one.endpointId);
      if (!test || test.tenant !== one.tenant) continue;
      const period = test.startedAt !== null && one.second * 1_000 >= test.startedAt.getTime() ? 'TEST' : 'PAST';
      add(periods[period], test.id, one, period === 'TEST');
    }
    try {
      await this.db.asSystem(async (em) => {
        const newKeys = new Map<string, number>();
        for (const [period, counts] of Object.entries(periods) as ['PAST' | 'TEST', Map<string, KeyCounts>][]) {
          const all = [...counts.values()];
          for (let at = 0; at < all.length; at += BATCH)
            for (const testId of await addKeyCounts(em, period, all.slice(at, at + BATCH), this.maxRows))
              newKeys.set(testId, (newKeys.get(testId) ?? 0) + 1);
        }
        await addKeyRows(em, newKeys);
      });
    } catch (error) {
      this.giveBack(counted);
      throw error;
    }
  }

  /** Counts that could not be written wait for the next time. */
  private giveBack(counted: ReadonlyMap<string, Counted>): void {
    for (const [id, sums] of counted) {
      const newer = this.counted.get(id);
      if (!newer) this.counted.set(id, sums);
      else for (const sum of ['requests', 'errors', 'latencyMs', 'rows', 'output'] as const) newer[sum] += sums[sum];
    }
  }
}

/** A statement may change each key only once. */
function add(counts: Map<string, KeyCounts>, testId: string, one: Counted, isTest: boolean): void {
  const deploymentId = isTest ? one.deploymentId : null;
  const found = counts.get(`${testId}${one.routingKey}`);
  if (!found) {
    const { tenant, routingKey: key, requests, errors, latencyMs, rows, output } = one;
    const row = { tenant, testId, key, deploymentId, isMixed: false, requests, errors, latencyMs, rows, output };
    counts.set(`${testId}${key}`, row);
    return;
  }
  for (const sum of ['requests', 'errors', 'latencyMs', 'rows', 'output'] as const) found[sum] += one[sum];
  found.isMixed ||= found.deploymentId !== deploymentId;
}
